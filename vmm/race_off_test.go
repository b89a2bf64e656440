//go:build !race

package vmm_test

const raceEnabled = false
