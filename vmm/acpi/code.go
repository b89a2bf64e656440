package acpi

import (
	"slices"
	"strings"

	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

// Code is what the rules of Lint look at in AML.
type Code struct {
	// Names are the full paths of everything that is defined, such as `\_SB.PCI0._PRT`.
	Names []string

	Devices []CodeDevice
}

// CodeDevice is a device.
type CodeDevice struct {
	Path string   // full, such as `\_SB.PCI0`
	HID  string   // "PNP0A08"; empty if it isn't constant
	CIDs []string // likewise

	// UID is _UID, if HasUID: it is a constant number.
	UID    uint64
	HasUID bool

	// Names are those defined right in it, such as "_CCA".
	Names []string

	// Interrupts are those of a constant _CRS.
	Interrupts []uint32
}

// is says whether the device is of a kind.
func (d *CodeDevice) is(ids ...string) bool {
	for _, id := range ids {
		if d.HID == id || slices.Contains(d.CIDs, id) {
			return true
		}
	}

	return false
}

func (d *CodeDevice) has(name string) bool { return slices.Contains(d.Names, name) }

// ReadCode reads the body of a DSDT or SSDT. Nothing is evaluated: what is not constant is
// not seen. The errors are those of package aml.
func ReadCode(body []byte) (*Code, error) {
	tree, err := aml.Parse(body)
	if err != nil {
		return nil, err
	}

	c := &Code{}

	for e := range tree.Root().All() {
		if e.Node() != nil {
			c.Names = append(c.Names, e.Path())
		}
	}

	for e := range tree.Devices() {
		c.Devices = append(c.Devices, readDevice(e))
	}

	return c, nil
}

func readDevice(e *aml.Entry) CodeDevice {
	d := CodeDevice{Path: e.Path()}

	if v, ok := e.Value("_HID"); ok {
		d.HID = identifier(v)
	}

	if v, ok := e.Value("_CID"); ok {
		list, many := v.Elements()
		if !many {
			list = []*aml.Node{v}
		}

		for _, v := range list {
			d.CIDs = append(d.CIDs, identifier(v))
		}
	}

	if v, ok := e.Value("_UID"); ok {
		d.UID, d.HasUID = v.Integer()
	}

	for k := range e.Children() {
		d.Names = append(d.Names, k.Name())
	}

	if v, ok := e.Value("_CRS"); ok {
		list, err := v.Resources()
		if err != nil {
			return d // the interpreter's to judge
		}

		for _, r := range list {
			switch r := r.(type) {
			case aml.Interrupt:
				d.Interrupts = append(d.Interrupts, r.GSIs...)
			case aml.IRQ:
				for _, l := range r.Lines {
					d.Interrupts = append(d.Interrupts, uint32(l))
				}
			}
		}
	}

	return d
}

// identifier is a device's, in either form; empty if it isn't one.
func identifier(v *aml.Node) string {
	if id, ok := v.EISAID(); ok {
		return id
	}

	id, _ := v.Text()

	return id
}

// joined is what several tables define, with the names that one adds to the devices of
// another.
func joined(list []*Code) *Code {
	all := &Code{}
	at := map[string]int{}

	for _, c := range list {
		all.Names = append(all.Names, c.Names...)

		for _, d := range c.Devices {
			d.Names = slices.Clone(d.Names)
			at[d.Path] = len(all.Devices)
			all.Devices = append(all.Devices, d)
		}
	}

	for _, n := range all.Names {
		dot := strings.LastIndexByte(n, '.')
		if dot < 0 {
			continue
		}

		if i, ok := at[n[:dot]]; ok && !all.Devices[i].has(n[dot+1:]) {
			all.Devices[i].Names = append(all.Devices[i].Names, n[dot+1:])
		}
	}

	return all
}
