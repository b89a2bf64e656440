package archtest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// helpers are the packages that tests are made with. They may use what tests use.
var helpers = []string{"internal/testutil", "internal/nest", "internal/device/devicetest", "internal/peers", "vmm/vmmtest", "patch/patchtest"}

// mayUse says why a package of the module may not import another one of it; empty is
// that it may. Paths are those below the module's.
func mayUse(from, to string, test bool) string {
	switch {
	case within(to, "examples"):
		return "nothing imports an example"
	case within(to, "internal/cmd", "internal/archtest", "patch/cmd"):
		return "nothing imports a command or archtest"
	case within(from, "patch") && !test && !within(to, "patch", "internal/payload", "internal/gort"):
		return "patch serves any program: it knows no other package of the module"
	case within(from, "elfdiff") && !test && !within(to, "elfdiff", "internal/payload"):
		return "elfdiff is pure, and meets patch only in the payload format"
	case within(from, "vmm/acpi/aml") && !test && !within(to, "vmm/acpi/aml"):
		return "vmm/acpi/aml knows no other package of the module"
	case within(from, "vmm/acpi") && !test && !within(to, "vmm/acpi"):
		return "vmm/acpi is pure, for any program: numbers in, bytes out"
	case within(to, "vmm/colo") && !within(from, "vmm/colo", "examples"):
		return "vmm/colo stands on vmm, never the reverse"
	case within(from, "vmm/power") && !test && within(to, "vmm") && !within(to, "vmm/power", "vmm/acpi"):
		return "vmm imports vmm/power, never the reverse"
	case within(from, "internal") && within(to, "vmm") && !within(to, "vmm/acpi") && !within(from, "internal/peers"):
		return "internal packages stand below vmm"
	case within(from, "examples") && !test && within(to, "internal"):
		return "an example shows what a stranger can write: exported packages only"
	case within(from, "internal/device") && within(to, "internal/kvm"):
		return "a device sees memory, lines and windows, never KVM"
	case test:
		return ""
	}

	return mayLink(from, to)
}

// mayLink is the part of mayUse that doesn't hold for tests.
func mayLink(from, to string) string {
	switch {
	case to == "internal/testutil/layers" && within(from, "internal/cmd", "internal/testutil"):
		return "" // names that the checker shares with the tests
	case within(to, "internal/testutil"):
		if !within(from, "internal/testutil") {
			return "only tests import internal/testutil"
		}
	case within(to, "internal/nest"):
		if !within(from, "internal/nest", "internal/testutil", "internal/cmd", "internal/peers") {
			return "only tests and test commands import internal/nest"
		}
	case within(to, "internal/device/devicetest"):
		if !within(from, "vmm/vmmtest") {
			return "only vmm/vmmtest and tests import internal/device/devicetest"
		}
	case within(to, "vmm/vmmtest", "patch/patchtest"):
		return "only tests import " + to
	case within(to, "patch/control", "patch/patchprom") && !within(from, "patch/control", "patch/cmd", "examples"):
		return "a way into the process is the embedder's to open"
	case within(to, "internal/kvm"):
		if !within(from, "vmm") || within(from, "vmm/power") {
			return "only vmm imports internal/kvm"
		}
	}

	return ""
}

func inside(s *source) []string {
	var wrong []string

	s.imports(func(path, at string) {
		if !within(path, module) {
			return
		}

		to := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		if why := mayUse(s.pkg, to, s.test); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %s imports %s: %s", at, s.pkg, to, why))
		}
	})

	return wrong
}

func TestImports_inside(t *testing.T) { hold(t, inside) }

// outsiders are the packages of other modules that may be imported, and by whom.
var outsiders = map[string][]string{
	"github.com/bobuhiro11/gokvm/kvm":                {"internal/kvm", "internal/testutil"},
	"github.com/bobuhiro11/gokvm/bootparam":          {"internal/boot"},
	"github.com/bobuhiro11/gokvm/pvh":                {"internal/boot"},
	"gvisor.dev/gvisor/pkg/hostarch":                 {"internal/boot"},
	"gvisor.dev/gvisor/pkg/ring0/pagetables":         {"internal/boot"},
	"golang.org/x/sys/unix":                          {"vmm", "internal", "examples"},
	"github.com/prometheus/client_golang/prometheus": {"patch/patchprom"},
	"github.com/stretchr/testify/require":            helpers,
	"github.com/stretchr/testify/assert":             helpers,
}

// rivals are parts of other monitors that only tests compare ours with, and whose.
var rivals = map[string][]string{
	"github.com/bobuhiro11/gokvm/kvm":     {"vmm"},
	"github.com/bobuhiro11/gokvm/machine": {"vmm"},
}

func outside(s *source) []string {
	var wrong []string

	s.imports(func(path, at string) {
		if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") || within(path, module) {
			return // the standard library, which has no dots, and our own
		}

		by, known := outsiders[path]

		switch {
		case s.test && within(s.pkg, rivals[path]...):
		case !known && rivals[path] != nil:
			wrong = append(wrong, fmt.Sprintf("%s: %s imports %s; only tests of %s may", at, s.pkg, path, strings.Join(rivals[path], ", ")))
		case !known:
			wrong = append(wrong, fmt.Sprintf("%s: imports %s, which is not on the list of outsiders", at, path))
		case s.test && strings.HasPrefix(path, "github.com/stretchr/testify/"):
		case !within(s.pkg, by...):
			wrong = append(wrong, fmt.Sprintf("%s: %s imports %s; only %s may", at, s.pkg, path, strings.Join(by, ", ")))
		}
	})

	return wrong
}

func TestImports_outside(t *testing.T) { hold(t, outside) }

// TestImports_linked holds, for what is linked in the end, what the rules above hold for
// each step: patch, its service and its tool bring nothing but the standard library, a
// program that serves no engine doesn't get net/http, tables bring the standard library
// alone, and a machine brings no test package.
func TestImports_linked(t *testing.T) {
	for _, p := range []string{"./patch", "./patch/control", "./patch/cmd/patchctl"} {
		for _, d := range deps(t, p) {
			require.NotEqual(t, "testing", d, "%s links package testing", p)

			if first, _, _ := strings.Cut(d, "/"); strings.Contains(first, ".") {
				require.True(t, within(d, module+"/patch", module+"/internal/payload", module+"/internal/gort"), "%s links %s", p, d)
			}

			require.False(t, p == "./patch" && within(d, "net"), "patch links %s", d)
		}
	}

	for _, p := range []string{"./vmm/acpi", "./vmm/acpi/aml"} {
		for _, d := range deps(t, p) {
			if first, _, _ := strings.Cut(d, "/"); strings.Contains(first, ".") {
				require.True(t, within(d, module+"/vmm/acpi"), "%s links %s", p, d)
			}

			require.False(t, d == "testing" || within(d, "net"), "%s links %s", p, d)
		}
	}

	for _, d := range deps(t, "./vmm") {
		require.NotEqual(t, "testing", d, "vmm links package testing")
		require.NotEqual(t, "net/http", d, "vmm links net/http")
		require.False(t, within(d, "github.com/prometheus"), "vmm links %s", d)
		require.False(t, within(d, "github.com/stretchr/testify"), "vmm links %s", d)

		for _, h := range helpers {
			require.False(t, within(d, module+"/"+h), "vmm links %s", d)
		}
	}
}

// deps lists what a package is linked with.
func deps(t *testing.T, pkg string) []string {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", pkg)
	cmd.Dir = root

	out, err := cmd.Output()
	require.NoError(t, err)

	return strings.Fields(string(out))
}
