package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// there sends a value to the other side.
func there[T any](t *testing.T, v T) (got T) {
	t.Helper()

	b, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &got))

	return got
}

func send(t *testing.T, err error) error { return there(t, ErrorOf(err)).Err() }

// TestErrors_everySentinel: bare and in every type that has one, each is found again.
func TestErrors_everySentinel(t *testing.T) {
	for code, sentinel := range codes {
		for _, err := range []error{
			sentinel,
			fmt.Errorf("x: %w", sentinel),
			&patch.StateError{Op: patch.OpApply, Patch: "p", Domain: "d", Top: "t", Detail: "x", Err: sentinel},
			&patch.TimeoutError{Op: patch.OpApply, Patch: "p", Domain: "d", Worker: "w", Slot: "s", Err: sentinel},
			&patch.HookError{Hook: "load", Patch: "p", Domain: "d", Err: sentinel, Panic: "boom", Stack: []byte("main.go:1")},
			&patch.FileError{File: patch.File{SHA256: "ab", Size: 3, Signer: "cd"}, Err: sentinel},
			errors.Join(errors.New("first"), fmt.Errorf("x: %w", &patch.StateError{Op: patch.OpApply, Patch: "p", Err: sentinel})),
		} {
			require.Equal(t, code, ErrorOf(err).Code)

			got := send(t, err)
			require.ErrorIs(t, got, sentinel, "%T", err)
			require.EqualError(t, got, err.Error(), "%T", err)

			if _, ours := err.(interface{ Unwrap() error }); ours && reflect.TypeOf(err).Elem().PkgPath() != "fmt" {
				require.Equal(t, err, got)
			}

			for _, other := range codes {
				require.Equal(t, other == sentinel, errors.Is(got, other), "%v is no %v", err, other)
			}
		}
	}

	want := &patch.ExpectationError{Patch: "p", Domain: "d", What: "slot x", Found: "y"}
	require.Equal(t, want, send(t, want))
	require.Equal(t, "expectation", ErrorOf(want).Code)

	require.NoError(t, send(t, nil))
}

// TestErrors_noneIsMissing reads what package patch declares.
func TestErrors_noneIsMissing(t *testing.T) {
	pkgs, err := parser.ParseDir(token.NewFileSet(), "..", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	require.NoError(t, err)

	declared := 0

	for _, f := range pkgs["patch"].Files {
		for _, o := range f.Scope.Objects {
			if o.Kind == ast.Var && strings.HasPrefix(o.Name, "Err") {
				declared++
			}
		}
	}

	ours := 5 // of this package, and of context
	require.Len(t, codes, declared+ours, "an error of package patch has no code")
}

// A tree that is deeper than any error of ours is cut, and one that isn't ours is read.
func TestErrors_odd(t *testing.T) {
	deep := error(patch.ErrBusy)
	for range 100 {
		deep = fmt.Errorf("x: %w", deep)
	}

	require.EqualError(t, send(t, deep), deep.Error())

	for _, w := range []*Error{
		{Kind: kindState}, {Kind: kindTimeout}, {Kind: kindHook}, {Kind: kindFile}, {Kind: kindExpectation},
		{Kind: kindSentinel, Code: "of a later version", Text: "x"}, {Kind: "of a later version"}, {Wrapped: []*Error{nil}},
	} {
		require.Error(t, w.Err())
		require.NotPanics(t, func() { _ = w.Err().Error() })
	}
}

// fill gives every field a value that isn't zero, so that one which isn't sent is seen.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64, reflect.Uint64:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 2).UTC()))
			return
		}

		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(context.DeadlineExceeded))
	default:
		panic(v.Type())
	}
}

func TestReport_everyField(t *testing.T) {
	var r patch.Report

	fill(reflect.ValueOf(&r).Elem())
	w := there(t, ReportOf(r))
	require.Equal(t, r, w.Report())
}

func TestEvent_everyField(t *testing.T) {
	var ev patch.Event

	fill(reflect.ValueOf(&ev).Elem())
	require.Equal(t, ev, there(t, EventOf(ev)).Event())
}

func TestDomainsAndSlots_everyField(t *testing.T) {
	require.Equal(t, reflect.TypeFor[patch.Info]().NumField(), reflect.TypeFor[Slot]().NumField())
	require.Equal(t, 3+2*3, reflect.TypeFor[Operation]().NumField(), "of patch.Operation: three, and three times sum and maximum")
}
