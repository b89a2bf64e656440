package vmm_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/nest"
	"github.com/vgraft/vgraft/internal/testutil"
)

// clockInit says, for each line that is typed, which date the clock shows, and for how long
// the kernel has run.
const clockInit = `
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
stty -echo
echo "ready"
while read -r cmd; do
	case $cmd in
	off) poweroff -f;;
	esac
	read -r up idle </proc/uptime
	echo "date=$(cat /sys/class/rtc/rtc0/date) uptime=$up;"
done
`

// A stock kernel's clock is wrong, and right once the monitor has a payload made from the
// change of one line of its source. The kernel runs on, and asks by the driver it always had.
func TestRepair_linux(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	dir := repair{
		program: "../examples/linux",
		file:    "internal/device/cmos/clock.go",
		is:      "return c.number(years(t) % 100)",
		flaw:    "return byte(years(t) % 100) // whatever the format that register B says",
		changed: "github.com/vgraft/vgraft/internal/device/cmos.(*clock).encode",
	}.prepare(t)

	if !testutil.LinuxGuest(t) {
		return
	}

	kernel, err := nest.Kernel(t.Context(), nest.Cloud)
	require.NoError(t, err)

	ramdisk, err := nest.GuestInitrd(t.Context(), clockInit)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, ramdisk, 0o644))

	text := &console{t: t}
	p := admit(t, dir, text, "-kernel", kernel.Vmlinuz, "-initrd", initrd, "-memory", "256", "-cpus", "2",
		"-cmdline", "console=ttyS0 quiet panic=-1")

	text.expect("ready")

	uptime := 0.0

	// sees takes the year modulo 100: the kernel may be right about the century alone.
	sees := func(want int) {
		t.Helper()

		lines := text.count(";")

		_, err := io.WriteString(p.stdin, "?\n")
		require.NoError(t, err)
		text.until(func(s string) bool { return strings.Count(s, ";") > lines })

		var (
			year, month, day int
			up               float64
		)

		_, err = fmt.Sscanf(text.last("date="), "%d-%d-%d uptime=%f;", &year, &month, &day, &up)
		require.NoError(t, err)
		require.Equal(t, want, year, "%s", text.last("date="))
		require.Greater(t, up, uptime, "the same kernel")

		uptime = up
	}

	now := time.Now().UTC()
	right := now.Year()
	binary := right % 100
	wrong := right - binary + binary>>4*10 + binary&0xf // what the driver makes of it

	sees(wrong)
	p.upload()
	sees(wrong)
	p.apply()
	sees(right)
	p.revert()
	sees(wrong)
	p.apply()
	sees(right)

	_, err = io.WriteString(p.stdin, "off\n")
	require.NoError(t, err)
}

// console keeps what a guest prints.
type console struct {
	t    *testing.T
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.text.String()
}

func (c *console) until(ok func(string) bool) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return ok(c.String()) }, bootDeadline, 20*time.Millisecond, "console:\n%s", c)
}

func (c *console) expect(text string) {
	c.t.Helper()
	c.until(func(s string) bool { return strings.Contains(s, text) })
}

func (c *console) count(text string) int { return strings.Count(c.String(), text) }

// last is what follows the last one of a text.
func (c *console) last(text string) string {
	s := c.String()

	return s[strings.LastIndex(s, text)+len(text):]
}
