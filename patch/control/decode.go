package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// decodeBody reads the one JSON object that the body is.
func decodeBody(body io.Reader, v any) error {
	b, err := io.ReadAll(io.LimitReader(body, maxRequest+1))

	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRequest, err)
	case len(b) > maxRequest:
		return fmt.Errorf("%w: more than %d bytes", ErrRequest, maxRequest)
	}

	return decode(b, v)
}

// decode is stricter than encoding/json: a field that is spelled otherwise, or is there
// twice, would be taken for another than the caller meant.
func decode(b []byte, v any) error {
	if err := exactFields(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}

	if err := json.Unmarshal(b, v); err != nil { // it refuses what follows the object
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}

	return nil
}

// exactFields holds that b begins with an object of v's fields, each once at most and not
// null, which json would take for absent.
func exactFields(b []byte, v any) error {
	known, d := fields(v), json.NewDecoder(bytes.NewReader(b))

	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("no JSON object: %v", err)
	}

	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}

		name, _ := t.(string)

		left, ok := known[name]
		if !ok || !left {
			return fmt.Errorf("the field %q isn't known, or is there twice", name)
		}

		known[name] = false

		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}

		if string(value) == "null" {
			return fmt.Errorf("the field %q is null", name)
		}
	}

	return nil
}

// fields are the names of v's fields in JSON.
func fields(v any) map[string]bool {
	names, t := map[string]bool{}, reflect.TypeOf(v).Elem()

	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}

	return names
}
