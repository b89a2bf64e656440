package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/vgraft/vgraft/vmm"
)

const elsewhere = `
Without it, run this in the test rig, a machine emulated by QEMU, which takes minutes:
	apt-get install -y qemu-system-x86 busybox-static
	go run ./internal/nest/cmd/nest -- go run ./examples/hotpatch`

// checkKVM says what is missing to run a guest here, and what to do about it.
func checkKVM(path string) error {
	host, err := vmm.Probe(path)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: the kernel's KVM module isn't loaded (modprobe kvm_intel, or kvm_amd), or this machine has no hardware virtualisation, or hides it%s", path, elsewhere)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s exists, but you may not open it: %s%s", path, permit(path), elsewhere)
	case err != nil:
		return fmt.Errorf("%s can't be used: %w%s", path, err, elsewhere)
	case len(host.Missing) > 0:
		return fmt.Errorf("%s lacks what a guest needs: %s%s", path, strings.Join(host.Missing, ", "), elsewhere)
	}

	return nil
}

// permit is the command that lets the user open the device: to join its group helps
// only where the group may.
func permit(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}

	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&0o060 != 0o060 || st.Gid == 0 {
		return fmt.Sprintf("only its owner may (%v): sudo setfacl -m u:$USER:rw %s", info.Mode().Perm(), path)
	}

	group := strconv.Itoa(int(st.Gid))
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}

	return fmt.Sprintf("members of the group %s may: sudo usermod -aG %s $USER, then log in again", group, group)
}
