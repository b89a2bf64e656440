package pl011

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

func TestDevice(t *testing.T) {
	devicetest.TestDevice(t, func() device.Device { return New(strings.NewReader("input"), io.Discard) })
}

// guest is the guest's side of a port.
type guest struct {
	*PL011
	*devicetest.VCPU
	line *devicetest.Line
	out  bytes.Buffer
}

func attach(t *testing.T, in io.Reader) *guest {
	t.Helper()

	g := &guest{}
	g.PL011 = New(in, &g.out)
	p := devicetest.NewPlatform(t)
	require.NoError(t, g.Attach(p))

	g.VCPU = p.NewVCPU()
	t.Cleanup(g.VCPU.Close)
	g.line = p.Line(arm64.IRQUART)

	return g
}

func (g *guest) get(reg uint64) uint32 {
	return uint32(g.Load(arm64.UART+reg, 4))
}

func (g *guest) set(reg uint64, v uint32) {
	g.Store(arm64.UART+reg, 4, uint64(v))
}

func TestTransmit(t *testing.T) {
	g := attach(t, nil)
	require.NoError(t, g.Start())

	for _, c := range []byte("hello") {
		require.Zero(t, g.get(regFR)&(frTXFF|frBusy))
		g.Store(arm64.UART, 1, uint64(c))
	}

	g.Stop()
	require.Equal(t, "hello", g.out.String())
}

func TestTransmit_interrupt(t *testing.T) {
	g := attach(t, nil)
	require.NotZero(t, g.get(regRIS)&intTX)
	require.Zero(t, g.get(regMIS))
	require.False(t, g.line.Level())

	g.set(regIMSC, intTX)
	require.EqualValues(t, intTX, g.get(regMIS))
	require.True(t, g.line.Level())

	g.set(regIMSC, 0)
	require.False(t, g.line.Level())

	// A guest that fills the port up: the flags say so, and there is an interrupt when
	// there is room again.
	g.set(regIMSC, intTX)

	for n := 0; g.get(regFR)&frTXFF == 0; n++ {
		require.Less(t, n, 1<<16)
		g.set(regDR, 'x')
	}

	require.Zero(t, g.get(regRIS)&intTX)
	require.False(t, g.line.Level())
	require.NoError(t, g.Start())
	require.Eventually(t, g.line.Level, 5*time.Second, time.Millisecond)
	g.Stop()
	require.Zero(t, g.Dropped())
}

func TestReceive(t *testing.T) {
	const text = "the first bytes are not lost, nor are more than a FIFO takes"

	g := attach(t, strings.NewReader(text))
	require.NoError(t, g.Start())

	defer g.Stop()

	// As a driver opens the port: it empties the FIFO, then enables its interrupts.
	for g.get(regFR)&frRXFE == 0 {
		g.get(regDR)
	}

	g.set(regIMSC, intRX|intRT)

	var got []byte

	for len(got) < len(text) {
		require.Eventually(t, g.line.Level, 5*time.Second, time.Millisecond)
		require.NotZero(t, g.get(regMIS)&(intRX|intRT))

		for g.get(regFR)&frRXFE == 0 {
			got = append(got, byte(g.get(regDR)))
		}
	}

	require.Equal(t, text, string(got))
	require.False(t, g.line.Level())
}

func TestRegisters(t *testing.T) {
	g := attach(t, nil)

	for i, want := range identity {
		require.EqualValues(t, want, g.get(regID+4*uint64(i)))
	}

	require.EqualValues(t, crReset, g.get(regCR))
	g.set(regIBRD, 0x1234_5678)
	require.EqualValues(t, 0x5678, g.get(regIBRD))
	g.set(regIMSC, 0xffff_ffff)
	require.EqualValues(t, intMask, g.get(regIMSC))
	g.set(0x80, 1)
	require.Zero(t, g.get(0x80))

	// Parts of registers, and two at once.
	require.EqualValues(t, 0x56, g.Load(arm64.UART+regIBRD+1, 1))
	require.EqualValues(t, 0x5678_0000_0000, g.Load(arm64.UART+regIBRD-4, 8))
}

func FuzzPL011(f *testing.F) {
	f.Add([]byte{0x0e, 0x20, 0x00, 'x', 0x86, 0x00})
	f.Fuzz(func(t *testing.T, ops []byte) {
		p := New(nil, io.Discard)
		m := devicetest.NewPlatform(t)
		require.NoError(t, p.Attach(m))

		c := m.NewVCPU()
		defer c.Close()

		line := m.Line(arm64.IRQUART)

		for ; len(ops) > 1; ops = ops[2:] {
			width := 1 << (ops[1] & 3)
			if at := arm64.UART + uint64(ops[0]&0x7f); ops[0]&0x80 == 0 {
				c.Store(at, width, 0x0101_0101_0101_0101*uint64(ops[1]))
			} else {
				c.Load(at, width)
			}

			if mis := c.Load(arm64.UART+regMIS, 4); line.Level() {
				require.NotZero(t, mis, "an interrupt without a cause")
			}
		}
	})
}
