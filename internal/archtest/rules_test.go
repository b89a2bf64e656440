package archtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRules_catch shows each rule what it is there to refuse, and what it must let pass.
func TestRules_catch(t *testing.T) {
	imports := func(path string) string { return "package p\n\nimport _ \"" + path + "\"\n" }
	ours := func(path string) string { return imports(module + "/" + path) }

	for _, c := range []struct {
		rule             rule
		name, text, want string // want is empty where nothing is wrong
	}{
		{inside, "patch/x.go", ours("vmm"), "patch/x.go:3: patch imports vmm: "},
		{inside, "patch/x.go", ours("internal/bus"), "patch/x.go:3"},
		{inside, "patch/x_test.go", ours("internal/testutil"), ""},
		{inside, "elfdiff/x.go", ours("patch"), "payload format"},
		{inside, "vmm/x.go", ours("vmm/colo"), "never the reverse"},
		{inside, "vmm/acpi/x.go", ours("vmm"), "pure"},
		{inside, "vmm/acpi/x.go", ours("internal/layout"), "pure"},
		{inside, "vmm/acpi/x.go", ours("vmm/acpi/aml"), ""},
		{inside, "vmm/acpi/aml/x.go", ours("vmm/acpi"), "knows no other"},
		{inside, "vmm/acpi/x_test.go", ours("internal/testutil/debian"), ""},
		{inside, "vmm/x.go", ours("internal/testutil"), "only tests"},
		{inside, "vmm/x_test.go", ours("internal/testutil"), ""},
		{inside, "vmm/x.go", ours("internal/nest"), "only tests"},
		{inside, "internal/nest/cmd/nest/x.go", ours("internal/nest"), ""},
		{inside, "internal/cmd/check/x.go", ours("internal/testutil/layers"), ""},
		{inside, "internal/cmd/check/x.go", ours("internal/testutil"), "only tests"},
		{inside, "vmm/x.go", ours("internal/device/devicetest"), "vmmtest"},
		{inside, "vmm/vmmtest/x.go", ours("internal/device/devicetest"), ""},
		{inside, "examples/a/x.go", ours("vmm/vmmtest"), "only tests"},
		{inside, "examples/a/x.go", ours("internal/kvm"), "stranger"},
		{inside, "patch/patchtest/x.go", ours("patch/internal/fault"), ""},
		{inside, "patch/patchtest/x.go", ours("vmm"), "patch/patchtest/x.go:3"},
		{inside, "patch/x.go", ours("patch/patchtest"), "only tests import patch/patchtest"},
		{inside, "examples/a/x.go", ours("patch/patchtest"), "only tests"},
		{inside, "examples/a/x_test.go", ours("patch/patchtest"), ""},
		{outside, "patch/patchtest/x.go", imports("github.com/stretchr/testify/require"), ""},
		{inside, "internal/bus/x.go", ours("vmm"), "below vmm"},
		{inside, "internal/device/x.go", ours("vmm/power"), "below vmm"},
		{inside, "internal/device/x.go", ours("vmm/acpi/aml"), ""},
		{inside, "vmm/power/x.go", ours("vmm"), "never the reverse"},
		{inside, "vmm/power/x.go", ours("vmm/acpi/aml"), ""},
		{inside, "vmm/power/x.go", ours("internal/kvm"), "only vmm"},
		{inside, "vmm/power/x_test.go", ours("vmm"), ""},
		{inside, "vmm/x.go", ours("vmm/power"), ""},
		{inside, "internal/bus/x_test.go", ours("vmm"), "below vmm"},
		{inside, "internal/boot/x.go", ours("internal/kvm"), "only vmm"},
		{inside, "internal/boot/x_test.go", ours("internal/kvm"), ""},
		{inside, "internal/device/uart/x_test.go", ours("internal/kvm"), "never KVM"},
		{inside, "vmm/x.go", ours("examples/a"), "example"},
		{inside, "vmm/x.go", ours("patch/control"), "embedder"},
		{inside, "examples/a/x.go", ours("patch/control"), ""},
		{inside, "vmm/x.go", ours("patch/patchprom"), "embedder"},
		{outside, "patch/x.go", imports("github.com/prometheus/client_golang/prometheus"), "only patch/patchprom may"},
		{outside, "vmm/x.go", imports("example.com/x"), "vmm/x.go:3: imports example.com/x"},
		{outside, "vmm/x.go", imports("gvisor.dev/gvisor/pkg/ring0/pagetables"), "only internal/boot may"},
		{outside, "internal/boot/x.go", imports("gvisor.dev/gvisor/pkg/abi/linux"), "not on the list"},
		{outside, "vmm/x.go", imports("github.com/bobuhiro11/gokvm/machine"), "only tests of vmm may"},
		{outside, "vmm/x_test.go", imports("github.com/bobuhiro11/gokvm/machine"), ""},
		{outside, "vmm/x.go", imports("github.com/bobuhiro11/gokvm/kvm"), "only internal/kvm"},
		{outside, "internal/boot/x_test.go", imports("github.com/bobuhiro11/gokvm/machine"), "only tests of vmm may"},
		{outside, "patch/x.go", imports("golang.org/x/sys/unix"), "only vmm"},
		{outside, "vmm/x.go", imports("github.com/stretchr/testify/require"), "may"},
		{outside, "vmm/x_test.go", imports("github.com/stretchr/testify/require"), ""},
		{outside, "vmm/x.go", imports("log/slog"), ""},
		{unsafeFiles, "vmm/x_test.go", imports("unsafe"), "vmm/x_test.go:3: imports unsafe"},
		{unsafeFiles, "vmm/x_unsafe_test.go", imports("unsafe"), ""},
		{unsafeFiles, "vmm/x.go", imports("C"), "cgo"},
		{noInit, "vmm/x.go", "package p\n\nfunc init() {}", "vmm/x.go:3"},
		{noInit, "vmm/x.go", "package p\n\nfunc (t T) init() {}", ""},
		{noInit, "vmm/x.go", "package main\n\nfunc init() {}", ""},
		{quiet, "vmm/x.go", "package p\n\nimport \"fmt\"\n\nfunc f() { fmt.Println() }", "vmm/x.go:5: library code uses fmt.Println"},
		{quiet, "vmm/x.go", "package p\n\nimport o \"os\"\n\nfunc f() { o.Exit(1) }", "os.Exit"},
		{quiet, "vmm/x.go", "package p\n\nimport \"log\"\n\nvar l = log.Default()", "log.Default"},
		{quiet, "vmm/x.go", "package p\n\nimport \"log\"\n\nfunc f(log T) { log.Info() }", ""},
		{quiet, "vmm/x.go", "package p\n\nfunc f() { println() }", "println"},
		{quiet, "vmm/x.go", "package p\n\nimport \"fmt\"\n\nfunc f() { fmt.Sprint() }", ""},
		{quiet, "vmm/x_test.go", "package p\n\nimport \"fmt\"\n\nfunc f() { fmt.Println() }", ""},
	} {
		wrong := c.rule(parse(t, c.name, c.text))

		if c.want == "" {
			require.Empty(t, wrong, "%s\n%s", c.name, c.text)
			continue
		}

		require.Contains(t, strings.Join(wrong, "\n"), c.want, "%s\n%s", c.name, c.text)
	}
}
