package devicetest

import (
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
)

// widths are those of the accesses that a Handler may get.
var widths = [...]int{1, 2, 4, 8}

// How far the suite goes.
const (
	everyOffset = 4096 // of larger windows, as many bytes at each end
	hammerTime  = 200 * time.Millisecond
	hammerCPUs  = 4
	leakTime    = 5 * time.Second
)

// TestDevice is the suite that every device must pass. Each call of fresh gives a new
// device of the same kind, with readers and writers of its own that end or don't block.
// It must not run in parallel with other tests, since it counts goroutines.
//
// It checks that
//   - a device doesn't depend on being the only one of its kind in the process;
//   - no access, of any width at any offset of its windows, panics, and every read
//     fills all the bytes it was given;
//   - several vCPUs may use it at once (run it with -race);
//   - Start and Stop leave no goroutine behind;
//   - what it has to say in ACPI tables makes sense.
func TestDevice(t *testing.T, fresh func() device.Device) {
	t.Helper()
	TestDeviceOn(t, NewPCPlatform, fresh)
}

// TestDeviceOn is TestDevice with the platform given: NewPCPlatform or NewVirtPlatform.
func TestDeviceOn(t *testing.T, platform func(t testing.TB, cpus int) *Platform, fresh func() device.Device) {
	t.Helper()

	s := suite{platform, fresh}

	t.Run("two", s.testTwo)
	t.Run("accesses", s.testAccesses)
	t.Run("hammer", s.testHammer)
	t.Run("leaks", s.testLeaks)
	t.Run("acpi", s.testACPI)
}

// suite is what a kind of device must pass, on a kind of machine.
type suite struct {
	platform func(t testing.TB, cpus int) *Platform
	fresh    func() device.Device
}

// attach gives a platform with the device on it.
func (f suite) attach(t *testing.T, d device.Device) *Platform {
	t.Helper()

	p := f.platform(t, CPUs)
	require.NoError(t, d.Attach(p))

	if c, ok := d.(io.Closer); ok {
		t.Cleanup(func() { require.NoError(t, c.Close()) })
	}

	return p
}

func start(t *testing.T, d device.Device) (stop func()) {
	t.Helper()

	s, ok := d.(device.Starter)
	if !ok {
		return func() {}
	}

	require.NoError(t, s.Start())

	return s.Stop
}

func (f suite) testTwo(t *testing.T) {
	a, b := f.fresh(), f.fresh()
	pa, pb := f.attach(t, a), f.attach(t, b)

	require.Len(t, pb.Windows(), len(pa.Windows()))

	stopA := start(t, a)
	defer stopA()

	stopB := start(t, b)
	defer stopB()

	for i, w := range pa.Windows() {
		o := pb.Windows()[i]
		w.Handler, o.Handler = device.Handler{}, device.Handler{}
		require.Equal(t, w, o)
	}
}

func (f suite) testAccesses(t *testing.T) {
	d := f.fresh()
	p := f.attach(t, d)

	stop := start(t, d)
	defer stop()

	cpu := p.NewVCPU()
	defer cpu.Close()

	rnd := rand.New(rand.NewPCG(1, 2))

	for _, w := range p.Windows() {
		offsets(w, func(off uint64, width int) {
			require.NotPanics(t, func() { checkFill(t, cpu, w, off, width) }, "read %d of %s at %#x", width, w.Name, off)

			for _, v := range [...]uint64{0, ^uint64(0), rnd.Uint64()} {
				data := bytesOf(v, width)
				require.NotPanics(t, func() { cpu.Write(w, off, data) }, "write %#x of %s at %#x", data, w.Name, off)
			}
		})
	}
}

// checkFill reads with two different poisons. A byte that kept both wasn't written. A
// register may well hold a poison for real, and two different values one after the
// other by chance: so a third read decides.
func checkFill(t *testing.T, cpu *VCPU, w Window, off uint64, width int) {
	t.Helper()

	var unfilled [8]int

	poisons := [...]byte{0xa5, 0x5a, 0x3c}
	for _, poison := range poisons {
		var buf [8]byte
		for i := range buf {
			buf[i] = poison
		}

		// The capacity ends with the access: a handler can't reach beyond unnoticed.
		cpu.Read(w, off, buf[:width:width])

		for i := range width {
			if buf[i] == poison {
				unfilled[i]++
			}
		}
	}

	for i, n := range unfilled[:width] {
		require.Less(t, n, len(poisons), "read %d of %s at %#x left byte %d as it was", width, w.Name, off, i)
	}
}

// offsets calls f for every access that lies in the window; of a large window, for those
// at its ends.
func offsets(w Window, f func(off uint64, width int)) {
	for _, width := range widths {
		for off := uint64(0); off+uint64(width) <= w.Size; off++ {
			if off == everyOffset && w.Size > 2*everyOffset {
				off = w.Size - everyOffset
			}

			f(off, width)
		}
	}
}

func bytesOf(v uint64, width int) []byte {
	b := make([]byte, width)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}

	return b
}

func (f suite) testHammer(t *testing.T) {
	d := f.fresh()
	p := f.attach(t, d)

	stop := start(t, d)
	defer stop()

	deadline := time.Now().Add(hammerTime)

	var wg sync.WaitGroup
	defer wg.Wait()

	for n := range hammerCPUs {
		wg.Go(func() { hammer(p, uint64(n), deadline) })
	}
}

func hammer(p *Platform, seed uint64, deadline time.Time) {
	cpu := p.NewVCPU()
	defer cpu.Close()

	rnd := rand.New(rand.NewPCG(seed, 0))
	windows := p.Windows()
	if len(windows) == 0 {
		return
	}

	// One buffer for all accesses: the race detector then finds a handler that keeps it.
	var buf [8]byte

	for time.Now().Before(deadline) {
		for range 64 {
			w := windows[rnd.IntN(len(windows))]
			width := widths[rnd.IntN(len(widths))]

			if uint64(width) > w.Size {
				continue
			}

			off := rnd.Uint64N(w.Size - uint64(width) + 1)

			if data := buf[:width:width]; rnd.IntN(2) == 0 {
				cpu.Read(w, off, data)
			} else {
				for i := range data {
					data[i] = byte(rnd.Uint32())
				}

				cpu.Write(w, off, data)
			}
		}
	}
}

func (f suite) testLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	d := f.fresh()
	p := f.attach(t, d)

	stop := start(t, d)
	hammer(p, 99, time.Now().Add(hammerTime/10))
	stop()

	var now int

	for deadline := time.Now().Add(leakTime); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if now = runtime.NumGoroutine(); now <= before {
			return
		}
	}

	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	require.Fail(t, "goroutines left behind", "%d before, %d after\n%s", before, now, stacks)
}
