package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/vgraft/vgraft/vmm"
)

const howToRunInRig = `to try it in the emulated KVM host that the tests use, from the repository:
	go build -o nest ./internal/nest/cmd/nest && go build ./examples/linux
	./nest -- ./linux -kernel ...`

// checkHost says what this host lacks, and what to do about it.
func checkHost() error {
	switch host, err := vmm.Probe(""); {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("linux: no KVM here: %w\n%s", err, howToRunInRig)
	case err != nil:
		return fmt.Errorf("linux: %w", err)
	case !host.NativeRing0:
		return fmt.Errorf("linux: this host's KVM emulates guest ring 0, in which no Linux boots\n%s", howToRunInRig)
	}

	return nil
}
