//go:build race

package vmm_test

const raceEnabled = true
