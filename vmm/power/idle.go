package power

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// IdleState is a state in which a processor of an arm64 guest waits for an interrupt, and
// that costs less than WFI.
type IdleState struct {
	Name         string        // ASCII; what systems show
	MinResidency time.Duration // for which it must last to be worth it; whole µs
	WakeLatency  time.Duration // until the processor runs again; whole µs
	PSCI         uint32        // the power state that CPU_SUSPEND gets (Arm DEN0022)
}

// CPUIdle is the idle states of all processors. On arm64 the first one is WFI. On amd64
// there is HLT and no other, whatever is asked for.
type CPUIdle struct {
	states []IdleState
	cpus   int    // set by Attach
	arch   string // set by Attach
}

// NewCPUIdle makes idle states, in the order of what they save.
func NewCPUIdle(states ...IdleState) *CPUIdle {
	return &CPUIdle{states: states}
}

// What a PSCI power state says that KVM's PSCI doesn't do: it answers that the processor
// has slept, and doesn't enter the system where it is to go on, so that the system takes
// it for a failure each time.
const psciPowerDown = 1 << 16

// maxIdleStates is how many Linux knows, beside WFI.
const maxIdleStates = 7

// ErrIdleState is wrapped by the error of a machine with states that can't be.
var ErrIdleState = errors.New("power: unusable idle state")

// Attach is for the machine.
func (c *CPUIdle) Attach(p device.Platform) error {
	c.cpus, c.arch = p.CPUs(), runtime.GOARCH
	if p, ok := p.(interface{ Arch() string }); ok { // a test's, for any architecture's tables
		c.arch = p.Arch()
	}

	if p.Unit("CPUIDLE") > 0 {
		return fmt.Errorf("%w: a machine has one set of them", ErrIdleState)
	}

	if len(c.states) > maxIdleStates {
		return fmt.Errorf("%w: %d of them, more than %d", ErrIdleState, len(c.states), maxIdleStates)
	}

	for _, s := range c.states {
		switch {
		case s.PSCI&psciPowerDown != 0:
			return fmt.Errorf("%w: %s: power state %#x loses the processor's registers, which KVM doesn't do", ErrIdleState, s.Name, s.PSCI)
		case micros(s.MinResidency) < 0 || micros(s.WakeLatency) < 0:
			return fmt.Errorf("%w: %s: times of %v and %v", ErrIdleState, s.Name, s.MinResidency, s.WakeLatency)
		}
	}

	return nil
}

// micros is a time in the unit of ACPI, or -1 where it doesn't fit.
func micros(d time.Duration) int64 {
	us := d.Microseconds()
	if us < 0 || us > 1<<31 {
		return -1
	}

	return us
}

// ACPI is for the machine.
func (c *CPUIdle) ACPI() ([]aml.Term, error) {
	states := halt()
	if c.arch == "arm64" {
		states = c.lpi()
	}

	var list []aml.Term

	for id := range c.cpus {
		list = append(list, aml.Scope(string(device.CPUPath(id)), states))
	}

	return list, nil
}

func (c *CPUIdle) lpi() aml.Object {
	entry := func(psci uint32) aml.Register {
		return aml.Register{Space: aml.FFixedHW, Width: 32, AccessSize: 3, Address: uint64(psci)}
	}

	const wfi = 1<<32 - 1

	list := []aml.LPIState{{MinResidency: 1, WakeLatency: 1, Enabled: true, Entry: entry(wfi), Name: "WFI"}}
	for _, s := range c.states {
		list = append(list, aml.LPIState{
			MinResidency: uint32(micros(s.MinResidency)), WakeLatency: uint32(micros(s.WakeLatency)),
			Enabled: true, Entry: entry(s.PSCI), Name: s.Name,
		})
	}

	return aml.LPI(0, list...)
}

// halt is C1, entered by HLT (ACPI 6.5 §8.4.1.1): the kind, its latency in µs, and its
// power, which isn't known.
func halt() aml.Object {
	return aml.Name("_CST", aml.Package(aml.One, aml.Package(
		aml.ResourceTemplate(aml.Register{Space: aml.FFixedHW}), aml.One, aml.One, aml.Zero)))
}
