package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/vgraft/vgraft/vmm/acpi"
)

// maxBytes is how many bytes of a body are shown.
const maxBytes = 32

// describe makes of a table, or a part of one, what encoding/json prints: with the names
// of its types, and of the devices instead of AML.
func describe(t acpi.Table) any {
	out := map[string]any{"Signature": t.Signature(), "Fields": value(reflect.ValueOf(t))}
	if c := code(t); c != nil {
		out["Devices"] = c.Devices
	}

	return out
}

// code is what the body of a DSDT or SSDT defines; nil for another table, or one that
// can't be read.
func code(t acpi.Table) *acpi.Code {
	var body []byte

	switch t := t.(type) {
	case *acpi.DSDT:
		body = t.Body
	case *acpi.SSDT:
		body = t.Body
	default:
		return nil
	}

	c, err := acpi.ReadCode(body)
	if err != nil {
		return nil
	}

	return c
}

func value(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Interface:
		inner := value(v.Elem())
		if m, ok := inner.(map[string]any); ok {
			m["Type"] = v.Elem().Type().Elem().Name()
		}

		return inner
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}

		return value(v.Elem())
	case reflect.Struct:
		m := map[string]any{}

		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				m[v.Type().Field(i).Name] = value(v.Field(i))
			}
		}

		return m
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return fmt.Sprintf("%x", v.Interface())
		}

		list := []any{}
		for i := range v.Len() {
			list = append(list, value(v.Index(i)))
		}

		return list
	default:
		return v.Interface()
	}
}

// printer prints for people, and keeps the first error.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) line(depth int, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, strings.Repeat("    ", depth)+format+"\n", args...)
	}
}

func (p *printer) table(t acpi.Table) {
	name := strings.TrimSpace(t.Signature())
	if h := acpi.HeaderOf(t); h != nil {
		name += fmt.Sprintf(" revision %d, %q %q %#x by %q %#x", h.Revision, h.OEMID, h.OEMTableID, h.OEMRevision, h.CreatorID, h.CreatorRevision)
	}

	p.line(0, "%s", name)

	if c := code(t); c != nil {
		for _, d := range c.Devices {
			p.line(1, "%s %s", d.Path, d.HID)
		}
	} else {
		p.fields(1, reflect.ValueOf(t).Elem())
	}

	p.line(0, "")
}

// fields prints those that aren't zero, each on its line, and lists below their name.
func (p *printer) fields(depth int, v reflect.Value) {
	for i := range v.NumField() {
		field, f := v.Type().Field(i), v.Field(i)
		if !field.IsExported() || f.IsZero() || field.Type == reflect.TypeFor[acpi.Header]() {
			continue
		}

		p.field(depth, field.Name, f)
	}
}

func (p *printer) field(depth int, name string, f reflect.Value) {
	switch f.Kind() {
	case reflect.Interface, reflect.Pointer:
		p.field(depth, f.Elem().Type().String()[strings.LastIndexByte(f.Elem().Type().String(), '.')+1:], f.Elem())
	case reflect.Struct:
		p.line(depth, "%s", name)
		p.fields(depth+1, f)
	case reflect.Slice, reflect.Array:
		if f.Type().Elem().Kind() == reflect.Uint8 {
			p.line(depth, "%s: %s", name, short(f))
			return
		}

		for i := range f.Len() {
			p.field(depth, name, f.Index(i))
		}
	case reflect.String:
		p.line(depth, "%s: %q", name, f.String())
	default:
		p.line(depth, "%s: %#x", name, f.Interface())
	}
}

// short is the start of some bytes.
func short(f reflect.Value) string {
	n := f.Len()
	text := fmt.Sprintf("%x", f.Slice(0, min(n, maxBytes)).Interface())

	if n > maxBytes {
		text += fmt.Sprintf("… (%d bytes)", n)
	}

	return text
}
