package vmm_test

import "testing"

var exits = []exit{{"mmio", "store"}}

// There is no other monitor in Go for arm64 to compare with.

func benchExitOfOthers(*testing.B) {}

func benchCreateOfOthers(*testing.B) {}
