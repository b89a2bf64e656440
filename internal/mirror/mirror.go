// Package mirror knows where packages of Debian come from on this machine.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Debian is the mirror of Debian that this machine's apt uses.
func Debian(ctx context.Context) (string, error) {
	// Whose a list is apt only knows when it has it, so the name has to do.
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("apt-get indextargets: %w", err)
	}

	for line := range strings.Lines(string(out)) {
		if uri := strings.TrimSuffix(strings.TrimSpace(line), "/"); strings.HasSuffix(uri, "/debian") {
			return uri, nil
		}
	}

	return "", errors.New("this machine's apt knows no mirror of Debian")
}
