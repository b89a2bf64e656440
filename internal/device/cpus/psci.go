package cpus

// Functions of PSCI (Arm DEN0022F, §5). Bit 30 of the number says that arguments have
// 64 bits.
const (
	PSCICPUOff       = 0x8400_0002
	PSCICPUOn        = 0x8400_0003
	PSCIAffinityInfo = 0x8400_0004

	PSCI64 = 0x4000_0000
)

// Answers of PSCI (§5.2.2).
const (
	PSCISuccess        = 0
	PSCINotSupported   = -1
	PSCIInvalid        = -2
	PSCIDenied         = -3
	PSCIAlreadyOn      = -4
	PSCIInvalidAddress = -9

	affinityOn  = 0
	affinityOff = 1
)

// Call is one of a guest's calls of PSCI.
type Call struct {
	Caller   int    // the processor
	Function uint64 // as the guest gave it
	Args     [3]uint64
}

// Outcome is what comes of a call.
type Outcome struct {
	Answer int64 // for the caller; not if it is turned off

	// What is to be done. The processor turned on begins at Args[1] with Args[2] in its
	// first register.
	TurnOff, TurnOn bool
	Target          int    // of TurnOn
	Entry, Context  uint64 // of TurnOn
}

func answer(n int64) Outcome { return Outcome{Answer: n} }

// MPIDR is the affinity of a processor, as KVM gives it: 16 in a cluster, 256 clusters.
func MPIDR(id int) uint64 { return uint64(id&0xf | id>>4&0xff<<8) }

const (
	affinityMask  = 0xff_00ff_ffff // all levels; the fourth is apart
	affinityLevel = 8              // bits of each of the first three
)

// byMPIDR finds a processor, or gives -1.
func (c *CPUs) byMPIDR(mpidr uint64) int {
	if id := int(mpidr&0xf | mpidr>>8&0xff<<4); id < len(c.list) && MPIDR(id) == mpidr {
		return id
	}

	return -1
}

// PSCI carries out one of the calls that the monitor answers. All of it is the guest's
// to choose. code says whether a guest-physical address is one of RAM.
func (c *CPUs) PSCI(call Call, code func(gpa uint64) bool) Outcome {
	if call.Function&PSCI64 == 0 {
		for i := range call.Args {
			call.Args[i] &= 1<<32 - 1
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	switch call.Function {
	case PSCICPUOff:
		c.list[call.Caller].on = false
		c.changed()

		return Outcome{TurnOff: true}
	case PSCICPUOn, PSCICPUOn | PSCI64:
		return c.turnOn(call.Args, code)
	case PSCIAffinityInfo, PSCIAffinityInfo | PSCI64:
		return answer(c.affinity(call.Args[0], call.Args[1]))
	default:
		return answer(PSCINotSupported)
	}
}

// turnOn is called with mu held.
func (c *CPUs) turnOn(args [3]uint64, code func(gpa uint64) bool) Outcome {
	const insn = 4

	id := c.byMPIDR(args[0])

	switch {
	case id < 0:
		return answer(PSCIInvalid)
	case args[1]%insn != 0 || !code(args[1]):
		return answer(PSCIInvalidAddress)
	case !c.list[id].enabled:
		return answer(PSCIDenied)
	case c.list[id].on:
		return answer(PSCIAlreadyOn)
	}

	c.list[id].on = true
	c.changed()

	return Outcome{Answer: PSCISuccess, TurnOn: true, Target: id, Entry: args[1], Context: args[2]}
}

// affinity says whether any processor is on of those that are alike from a level of
// affinity upwards. Called with mu held.
func (c *CPUs) affinity(target, level uint64) int64 {
	if target&^affinityMask != 0 || level > 3 {
		return PSCIInvalid
	}

	mask := uint64(affinityMask) &^ (1<<(level*affinityLevel) - 1)
	found := int64(PSCIInvalid)

	for id := range c.list {
		if MPIDR(id)&mask != target&mask {
			continue
		}

		if c.list[id].on {
			return affinityOn
		}

		found = affinityOff
	}

	return found
}
