package vmm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
	"github.com/vgraft/vgraft/internal/layout/arm64"
	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/internal/testutil/debian"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// fwtsTests are the tests of the firmware test suite that look at tables alone. Its others
// for ACPI ask the machine that they run on: acpiinfo, cstates, pcc, wmi.
var fwtsTests = strings.Fields(`acpi_ac acpi_als acpi_battery acpi_ec acpi_lid acpi_pwrb acpi_slpb acpi_time acpipld acpitables
	apicinstance checksum dbg2 facs fadt gtdt hest hmat hpet iort madt mcfg method pptt rsdp rsdt slit spcr srat syntaxcheck viot waet xsdt`)

// fwtsKnown are the findings that stay, the machines that have them, and why.
var fwtsKnown = []struct{ label, text, machines, why string }{
	{"FADTRHWNonZero", "Some FADT reduced hardware fields are non-zero.", "amd64", "by the book a hardware-reduced platform has neither a " +
		"PM timer nor a century. Linux uses both where they are: see board's timer. fwtsReduced says which fields it is about"},
	{"FADTRHWFlagsNonZero", "Some FADT reduced hardware flags are set.", "amd64", "it is one: that the PM timer has 32 bits. See TestTables_reduced"},
	{"MethodCIDInvalidString", `\_SB_.VGEN._CID returned a string 'VM_GEN_COUNTER' but it was not a valid PNP ID or a valid ACPI ID.`, "features",
		"by this name, which Microsoft gave it, systems find the device, in whatever letters"},
	{"", "FADT revision is outdated: 6.5", "", "there is a newer specification; these tables are all of this one"},
}

// fwtsReduced are the fields of the FADT that a hardware-reduced platform hasn't.
var fwtsReduced = []string{
	"PM_TMR_BLK is non-zero: 0x608", "PM_TMR_LEN is non-zero: 0x4", "CENTURY is non-zero: 0x32",
	"X_PM_TMR_BLK is a non-zero general address structure.",
}

// TestTables_fwts has the firmware test suite, of which only Debian's unstable release has
// a package, judge the tables of whole machines, the methods of their devices too. It finds
// nothing but fwtsKnown, all of them.
func TestTables_fwts(t *testing.T) {
	testutil.Pure(t)

	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: the suite's test of the FADT is for root alone, since it reads ports where the table is no hardware-reduced one")
	}

	dir := debian.WithNeeds(t, "sid", "fwts")
	fwts := append(debian.Command(t, dir, "usr/bin/fwts", "fwts"), "-j", filepath.Join(dir, "usr/share/fwts"))

	for name, set := range sets(t) {
		if !strings.Contains(name, "all") && !strings.HasSuffix(name, " 2") {
			continue
		}

		t.Run(name, func(t *testing.T) {
			about := name
			if _, ok := strings.CutSuffix(name, "64 all"); ok {
				about += " features"
			}

			var want, fields []string

			for _, k := range fwtsKnown {
				if strings.Contains(about, k.machines) {
					want = append(want, k.label+": "+k.text)
				}
			}

			if strings.HasPrefix(name, "amd64") {
				fields = fwtsReduced
			}

			got := judge(t, fwts, set, name)
			require.ElementsMatch(t, want, got.findings)
			require.Equal(t, fields, got.reduced)
			require.GreaterOrEqual(t, got.passed, 70)
			t.Logf("%d passed; known: %q", got.passed, got.findings)
		})
	}
}

// verdict is what the firmware test suite says.
type verdict struct {
	passed            int
	findings, reduced []string
}

func judge(t *testing.T, fwts []string, set *acpi.Set, name string) verdict {
	t.Helper()

	arch, place := "aarch64", acpi.Placement{Base: arm64.ACPI, Size: arm64.ACPISize}
	if strings.HasPrefix(name, "amd64") {
		arch, place = "x86", acpi.Placement{Base: layout.ACPI, Size: layout.ACPISize}
	}

	image, err := set.Image(place)
	require.NoError(t, err)

	var dump bytes.Buffer

	require.NoError(t, image.WriteDump(&dump))

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump"), dump.Bytes(), 0o600))

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	args := append(fwts[1:len(fwts):len(fwts)], "-q", "--arch="+arch, "--dumpfile=dump", "--log-type=json", "--results-output=results.json")
	cmd := exec.CommandContext(ctx, fwts[0], append(args, fwtsTests...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()

	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: something failed
		require.NoError(t, err, "%s", out)
	}

	b, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err, "%s", out)

	var results any

	require.NoError(t, json.Unmarshal(b, &results), "%s", out)

	var v verdict

	v.collect(results)

	return v
}

// collect adds up what is anywhere in the results.
func (v *verdict) collect(results any) {
	switch r := results.(type) {
	case []any:
		for _, one := range r {
			v.collect(one)
		}
	case map[string]any:
		text, ok := r["log_text"].(string)

		switch status := r["status"]; {
		case !ok:
			for _, one := range r {
				v.collect(one)
			}
		case status == "PASSED":
			v.passed++
		case strings.Contains(text, " is non-zero: "), strings.Contains(text, " is a non-zero "):
			v.reduced = append(v.reduced, text)
		case status == "None", status == "SKIPPED", status == "ADVICE", status == "INFO":
		default: // FAILED, WARNING, ABORTED
			label, _ := r["failure_label"].(string)
			v.findings = append(v.findings, strings.TrimPrefix(label, "None")+": "+text)
		}
	}
}

// TestTables_reduced holds that of the flags of the FADT that mean nothing on a
// hardware-reduced platform (§5.2.9) the PM timer's is the only one.
func TestTables_reduced(t *testing.T) {
	testutil.Pure(t)

	const none = acpi.FADTWBINVDFlush | acpi.FADTProcC1 | acpi.FADTPLvl2Up | acpi.FADTRTCS4 | acpi.FADTTimer32 | acpi.FADTHeadless |
		acpi.FADTCPUSoftwareSleep | acpi.FADTPCIExpressWake | acpi.FADTS4RTCValid | acpi.FADTRemotePowerOn

	for name, set := range sets(t) {
		fadt, ok := acpi.First[*acpi.FADT](set)
		require.True(t, ok)

		want := uint32(0)
		if strings.HasPrefix(name, "amd64") {
			want = acpi.FADTTimer32
		}

		require.Equal(t, want, fadt.Flags&none, name)
	}
}
