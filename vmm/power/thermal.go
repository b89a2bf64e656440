package power

import (
	"errors"
	"math"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

var (
	thermalRead   = patch.NewSlot("vmm/power/thermal.read", (*ThermalZone).read)
	thermalWrite  = patch.NewSlot("vmm/power/thermal.write", (*ThermalZone).write)
	thermalUpdate = patch.NewSlot("vmm/power/thermal.update", (*ThermalZone).update)
	thermalTrips  = patch.NewSlot("vmm/power/thermal.settrips", (*ThermalZone).setTrips)
)

// MilliCelsius is a temperature in thousandths of a degree. ACPI has tenths.
type MilliCelsius int

// Trips are temperatures at which the guest does something. 0 is never.
type Trips struct {
	Critical MilliCelsius // shuts down
	Hot      MilliCelsius // hibernates, or warns
	Passive  MilliCelsius // slows its processors down
}

// ThermalZone is a thermometer, and what the guest does by it.
type ThermalZone struct {
	link

	// Set by Attach, constant after.
	unit        int
	name        string
	base        uint64
	cpus        int
	temp, trips device.Event

	mu   sync.Mutex // guards what follows; leaf
	now  MilliCelsius
	trip Trips
}

// NewThermalZone makes a zone that has that temperature.
func NewThermalZone(now MilliCelsius, trips Trips) *ThermalZone {
	return &ThermalZone{now: now, trip: trips}
}

// Temperature is what Update said last.
func (z *ThermalZone) Temperature() MilliCelsius {
	z.mu.Lock()
	defer z.mu.Unlock()

	return z.now
}

// Update changes the temperature and tells the guest.
func (z *ThermalZone) Update(now MilliCelsius) {
	z.do("thermal zone", func(s patch.Section) { thermalUpdate.In(s)(z, s, now) })
}

func (z *ThermalZone) update(s patch.Section, now MilliCelsius) {
	z.mu.Lock()
	z.now = now
	z.mu.Unlock()

	z.raise(s, &z.temp)
}

// ErrTrip is the error of SetTrips for a trip that the zone wasn't made with, or that
// would be taken away: which there are, the guest asks once.
var ErrTrip = errors.New("power: a thermal zone has the trips that it was made with")

// SetTrips moves the trips and tells the guest. The error is ErrTrip.
func (z *ThermalZone) SetTrips(t Trips) (err error) {
	z.do("thermal zone", func(s patch.Section) { err = thermalTrips.In(s)(z, s, t) })

	return err
}

func (z *ThermalZone) setTrips(s patch.Section, t Trips) error {
	z.mu.Lock()
	same := (t.Critical == 0) == (z.trip.Critical == 0) && (t.Hot == 0) == (z.trip.Hot == 0) && (t.Passive == 0) == (z.trip.Passive == 0)

	if same {
		z.trip = t
	}
	z.mu.Unlock()

	if !same {
		return ErrTrip
	}

	z.raise(s, &z.trips)

	return nil
}

// kelvin is a temperature as ACPI has it.
func kelvin(t MilliCelsius) uint32 {
	const limit = math.MaxInt32

	return uint32(min(aml.Celsius(int(min(t, limit))), limit))
}

func (z *ThermalZone) read(_ patch.Section, off uint64, data []byte) {
	z.mu.Lock()
	defer z.mu.Unlock()

	registers := [...]uint32{kelvin(z.now), kelvin(z.trip.Critical), kelvin(z.trip.Hot), kelvin(z.trip.Passive)}
	load(registers[:], off, data)
}

func (z *ThermalZone) write(patch.Section, uint64, []byte) {}

// Attach is for the machine.
func (z *ThermalZone) Attach(p device.Platform) (err error) {
	z.unit, z.cpus = p.Unit("TZ"), p.CPUs()
	if z.name, err = name("TZN", z.unit); err != nil {
		return err
	}

	if z.base, err = p.Place("thermal", 4*word, device.Slots(z, thermalRead, thermalWrite)); err != nil {
		return err
	}

	path := `\_TZ.` + aml.Path(z.name)
	if z.temp, err = notify(p, path, statusChanged); err != nil {
		return err
	}

	if z.trips, err = notify(p, path, infoChanged); err != nil {
		return err
	}

	z.connect(p)

	return nil
}

// ACPI is for the machine.
func (z *ThermalZone) ACPI() ([]aml.Term, error) {
	z.mu.Lock()
	trip := z.trip
	z.mu.Unlock()

	method := func(name, register string) aml.Object {
		return aml.Method(name, 0, aml.Return(aml.Path(register)))
	}

	list := append(region(z.base, "TEMP", "TCRT", "THOT", "TPSV"), method("_TMP", "TEMP"))

	if trip.Critical != 0 {
		list = append(list, method("_CRT", "TCRT"))
	}

	if trip.Hot != 0 {
		list = append(list, method("_HOT", "THOT"))
	}

	if trip.Passive != 0 {
		processors := make([]aml.Data, z.cpus)
		for i := range processors {
			processors[i] = device.CPUPath(i)
		}

		// The usual factors of the formula (§11.1.5.1), once in a second.
		list = append(list, method("_PSV", "TPSV"), aml.Name("_PSL", aml.Package(processors...)),
			aml.Name("_TC1", aml.Integer(4)), aml.Name("_TC2", aml.Integer(3)), aml.Name("_TSP", aml.Integer(10)))
	}

	list = append(list, aml.Name("_TZP", aml.Zero)) // no polling: see Update

	return []aml.Term{aml.Scope(`\_TZ`, aml.ThermalZone(z.name, list...))}, nil
}
