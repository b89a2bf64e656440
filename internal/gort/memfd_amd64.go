package gort

const memfdCreate = 319 // SYS_MEMFD_CREATE
