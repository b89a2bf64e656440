// Package cpus is what a machine's processors are beside what they compute: their devices
// in ACPI, the registers by which they come and go while the guest runs, and the calls by
// which a guest on arm64 turns them on and off (PSCI).
//
// It is the one place where the devices are made. What a feature has to say of a processor
// goes into a Scope of device.CPUPath.
package cpus

import (
	"log/slog"
	"sync"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
)

// What the guest can make run, and its owner.
var (
	read   = patch.NewSlot("vmm/cpus.read", (*CPUs).read)
	write  = patch.NewSlot("vmm/cpus.write", (*CPUs).write)
	add    = patch.NewSlot("vmm/cpus.add", (*CPUs).add)
	remove = patch.NewSlot("vmm/cpus.remove", (*CPUs).remove)
)

// CPUs is the processors of one machine. Make it with New or NewHotplug. Its slots are
// called in a section, any number at a time; Attach by the machine, once; the other
// methods by any goroutine afterwards.
type CPUs struct {
	hot Hotplug

	// Set by Attach, constant after.
	log   *slog.Logger
	first int    // of those that come and go
	base  uint64 // of the registers, if there are any such
	event device.Event

	mu   sync.Mutex // guards what follows; leaf but for event.Raise
	list []processor
	news chan struct{} // closed at the next change of what Status says
}

// processor is one of them.
type processor struct {
	enabled bool
	on      bool
	request uint32 // flagAdded or flagRemove: what the guest hasn't looked at
	said    uint32 // by _OST: of which request
	answer  Answer
}

// Hotplug says which processors may come and go.
type Hotplug struct {
	// Enabled is how many are there when the guest begins. The others may come, and go
	// again.
	Enabled int

	// Absent is the _STA of one that isn't enabled.
	Absent uint64

	// MAT makes the _MAT of one that is; nil for none.
	MAT func(id int) []byte
}

// New makes processors that are always there, as many as the platform says.
func New() *CPUs { return &CPUs{hot: Hotplug{Enabled: -1}, news: make(chan struct{})} }

// NewHotplug makes processors of which some may come and go. All of them together are as
// many as the platform says.
func NewHotplug(h Hotplug) *CPUs { return &CPUs{hot: h, news: make(chan struct{})} }

// Attach asks how many there are, and claims registers for those that come and go.
func (c *CPUs) Attach(p device.Platform) (err error) {
	c.log = p.Log()
	c.list = make([]processor, p.CPUs())
	c.first = len(c.list)

	if n := c.hot.Enabled; n >= 0 && n < c.first {
		c.first = n
	}

	for i := range c.first {
		c.list[i].enabled = true
	}

	if c.first == len(c.list) {
		return nil
	}

	if c.base, err = p.Place("cpus", uint64(len(c.list))*stride, device.Slots(c, read, write)); err != nil {
		return err
	}

	c.event, err = p.Event(c.scan()...)

	return err
}

// Removable says whether there can be a processor with that number that comes and goes.
func (c *CPUs) Removable(id int) bool { return id >= c.first && id < len(c.list) }

// SetOn says that a processor runs from the beginning.
func (c *CPUs) SetOn(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.list[id].on = true
}

// Alone says that no other processor is on.
func (c *CPUs) Alone(id int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()

	for i := range c.list {
		if i != id && c.list[i].on {
			return false
		}
	}

	return true
}

// Status is what is known of a processor.
type Status struct {
	Enabled bool // it is the guest's to use
	On      bool // the guest has turned it on; on arm64 only
	Answer  Answer
}

// Answer is what the guest's system has said of the last request for a processor.
type Answer int

// Answers.
const (
	NoAnswer Answer = iota
	Done
	Refused
)

// Status says how each processor is, and gives a channel that is closed when that
// changes.
func (c *CPUs) Status() ([]Status, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()

	out := make([]Status, len(c.list))
	for i, p := range c.list {
		out[i] = Status{Enabled: p.enabled, On: p.on, Answer: p.answer}
	}

	return out, c.news
}

// changed tells those who wait. Called with mu held.
func (c *CPUs) changed() {
	close(c.news)
	c.news = make(chan struct{})
}
