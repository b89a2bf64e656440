package power

import (
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

var (
	batteryRead   = patch.NewSlot("vmm/power/battery.read", (*Battery).read)
	batteryWrite  = patch.NewSlot("vmm/power/battery.write", (*Battery).write)
	batteryUpdate = patch.NewSlot("vmm/power/battery.update", (*Battery).update)
	batteryInfo   = patch.NewSlot("vmm/power/battery.updateinfo", (*Battery).updateInfo)
)

// Unknown is a number of a battery that isn't known.
const Unknown = aml.Unknown

// BatteryState is what a battery does: a sum of the constants, where only one of
// Discharging and Charging makes sense. 0 is neither: full, or not charging.
type BatteryState uint32

// What a battery does.
const (
	Discharging BatteryState = 1 << iota
	Charging
	Critical // so empty that the system shuts down at once
)

// BatteryInfo is what seldom changes of a battery. Capacities and rates are in mWh and mW,
// or, with InAmperes, in mAh and mA. Any number may be Unknown.
type BatteryInfo struct {
	InAmperes     bool
	Design        uint32 // capacity when it was new
	LastFull      uint32 // capacity when it was last full
	DesignVoltage uint32 // mV
	Warning, Low  uint32 // what remains when the system warns, and when it acts
	Cycles        uint32 // how often it was charged

	// ASCII, and fixed when the machine is made.
	Model, Serial, Type, OEM string
}

// BatteryStatus is what changes all the time. Any number may be Unknown.
type BatteryStatus struct {
	Absent    bool // taken out; the rest doesn't count
	State     BatteryState
	Rate      uint32 // at which it is charged or discharged, in mW or mA
	Remaining uint32 // in mWh or mAh
	Voltage   uint32 // mV
}

// Battery is a battery.
type Battery struct {
	link

	// Set by Attach, constant after.
	unit          int
	name          string
	base          uint64
	status, infos device.Event

	mu    sync.Mutex // guards what follows; leaf
	info  BatteryInfo
	state BatteryStatus
}

// NewBattery makes a battery.
func NewBattery(info BatteryInfo, status BatteryStatus) *Battery {
	return &Battery{info: info, state: status}
}

// Status is what Update said last.
func (b *Battery) Status() BatteryStatus {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.state
}

// Update changes the status and tells the guest.
func (b *Battery) Update(status BatteryStatus) {
	b.do("battery", func(s patch.Section) { batteryUpdate.In(s)(b, s, status) })
}

func (b *Battery) update(s patch.Section, status BatteryStatus) {
	b.mu.Lock()
	replaced := status.Absent != b.state.Absent
	b.state = status
	b.mu.Unlock()

	// Systems look for another battery only when told that the information has changed.
	if replaced {
		b.raise(s, &b.infos)
	}

	b.raise(s, &b.status)
}

// UpdateInfo changes the numbers of the information, and tells the guest. The texts and
// InAmperes stay as they were.
func (b *Battery) UpdateInfo(info BatteryInfo) {
	b.do("battery", func(s patch.Section) { batteryInfo.In(s)(b, s, info) })
}

func (b *Battery) updateInfo(s patch.Section, info BatteryInfo) {
	b.mu.Lock()
	info.InAmperes = b.info.InAmperes
	info.Model, info.Serial, info.Type, info.OEM = b.info.Model, b.info.Serial, b.info.Type, b.info.OEM
	b.info = info
	b.mu.Unlock()

	b.raise(s, &b.infos)
}

// batteryRegisters are the names of the registers, in their order.
var batteryRegisters = [...]string{
	"PRES", "STAT", "RATE", "REMC", "VOLT", "DESC", "FULL", "DVOL", "WARN", "LOWC", "CYCL",
}

func (b *Battery) read(_ patch.Section, off uint64, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()

	present := uint32(1)
	if b.state.Absent {
		present = 0
	}

	registers := [len(batteryRegisters)]uint32{
		present, uint32(b.state.State), b.state.Rate, b.state.Remaining, b.state.Voltage,
		b.info.Design, b.info.LastFull, b.info.DesignVoltage, b.info.Warning, b.info.Low, b.info.Cycles,
	}
	load(registers[:], off, data)
}

func (b *Battery) write(patch.Section, uint64, []byte) {}

// Attach is for the machine.
func (b *Battery) Attach(p device.Platform) (err error) {
	b.unit = p.Unit("BAT")
	if b.name, err = name("BAT", b.unit); err != nil {
		return err
	}

	if b.base, err = p.Place("battery", uint64(len(batteryRegisters)*word), device.Slots(b, batteryRead, batteryWrite)); err != nil {
		return err
	}

	path := `\_SB.` + aml.Path(b.name)
	if b.infos, err = notify(p, path, infoChanged); err != nil {
		return err
	}

	if b.status, err = notify(p, path, statusChanged); err != nil {
		return err
	}

	b.connect(p)

	return nil
}

// ACPI is for the machine.
func (b *Battery) ACPI() ([]aml.Term, error) {
	const (
		there  = 0x0f // the place for it
		inside = 0x10
	)

	b.mu.Lock()
	info := b.info
	b.mu.Unlock()

	unit := aml.Zero
	if info.InAmperes {
		unit = aml.One
	}

	num := aml.Zero // filled in each time
	texts := []aml.Data{aml.String(info.Model), aml.String(info.Serial), aml.String(info.Type), aml.String(info.OEM)}

	// §10.2.2.1 and §10.2.2.2. The accuracy is unknown, and so are the times between
	// measurements; of the last numbers, "granularity" is 1 and "swap" is 0, can't be.
	bif := append([]aml.Data{unit, num, num, aml.One, num, num, num, aml.One, aml.One}, texts...)
	bix := append([]aml.Data{aml.One, unit, num, num, aml.One, num, num, num, num,
		aml.Integer(Unknown), aml.Integer(Unknown), aml.Integer(Unknown), aml.Integer(Unknown), aml.Integer(Unknown),
		aml.One, aml.One}, append(texts, aml.Zero)...)

	list := append([]aml.Object{
		aml.Name("_HID", aml.EISAID("PNP0C0A")),
		aml.Name("_UID", aml.Integer(b.unit)),
		aml.Name("_PCL", aml.Package(aml.Path(`\_SB`)))}, region(b.base, batteryRegisters[:]...)...)
	list = append(list,
		aml.Method("_STA", 0,
			aml.If(aml.Path("PRES"), aml.Return(aml.Integer(there|inside))),
			aml.Return(aml.Integer(there))),
		filled("_BIF", bif, "DESC", 1, "FULL", 2, "DVOL", 4, "WARN", 5, "LOWC", 6),
		filled("_BIX", bix, "DESC", 2, "FULL", 3, "DVOL", 5, "WARN", 6, "LOWC", 7, "CYCL", 8),
		aml.BST(aml.Path("STAT"), aml.Path("RATE"), aml.Path("REMC"), aml.Path("VOLT")))

	return []aml.Term{aml.Scope(`\_SB`, aml.Device(b.name, list...))}, nil
}

// filled is a method that gives a package, with registers in some places: pairs of a name
// and an index.
func filled(method string, list []aml.Data, places ...any) aml.Object {
	body := []aml.Term{aml.Store(aml.Package(list...), aml.Local(0))}

	for i := 0; i < len(places); i += 2 {
		body = append(body, aml.Store(aml.Path(places[i].(string)),
			aml.Index(aml.Local(0), aml.Integer(places[i+1].(int)), nil)))
	}

	return aml.Method(method, 0, append(body, aml.Return(aml.Local(0)))...)
}
