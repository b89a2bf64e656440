package nest

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
)

// EmulatorMayHang says that the installed QEMU can lose the rewriting of code by one
// processor while another one translates it, which stops what runs there for good and
// without a word: it is older than 8.1. The rig's own kernel is kept from it, see keeper,
// but kernels of guests with several processors aren't.
func EmulatorMayHang(ctx context.Context) bool {
	path, err := machines["amd64"].qemu()
	if err != nil {
		return false
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	return err == nil && losesRewrites(string(out))
}

func losesRewrites(version string) bool {
	m := regexp.MustCompile(`version (\d+)\.(\d+)`).FindStringSubmatch(version)
	if m == nil {
		return false
	}
	major, _ := strconv.Atoi(m[1]) // digits
	minor, _ := strconv.Atoi(m[2])
	return major < 8 || major == 8 && minor < 1
}
