package vmm_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/vgraft/vgraft/vmm"
)

func TestSmoke(t *testing.T) {
	h, err := vmm.Probe("")
	t.Logf("%+v %v", h, err)
	// mov dx,0x3f8; mov al,'A'; out dx,al; mov dx,0x604; mov ax,0x2000|5<<10; out dx,ax; jmp $
	code := []byte{0x66, 0xba, 0xf8, 0x03, 0xb0, 'A', 0xee, 0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef, 0xeb, 0xfe}
	var out bytes.Buffer
	m, err := vmm.New(context.Background(), vmm.Config{Memory: 4 << 20, Boot: vmm.Flat{Code: code}, Devices: []vmm.Device{vmm.Serial(nil, &out)}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	e, err := m.Wait(ctx)
	t.Log(e, err, out.String(), m.State())
}
