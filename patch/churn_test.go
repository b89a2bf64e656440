package patch_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// TestUpload_churn: whatever operators do to patches at once, no function runs of a file
// that was given back, and every file is.
func TestUpload_churn(t *testing.T) {
	var loaded, released, ran atomic.Int64

	e := patch.NewEngine(patch.Options{AllowUnsigned: true, Loader: func(_ context.Context, file []byte) (patch.Spec, func(), error) {
		loaded.Add(1)

		gone := new(atomic.Bool)
		use := func() {
			ran.Add(1)

			if gone.Load() {
				t.Error("code of a file that was given back runs")
			}
		}

		return patch.Spec{
			Name:     string(file),
			Bindings: []patch.Binding{patch.Func(churned, use)},
			Hooks: patch.Hooks{
				Load:     func(context.Context) error { use(); return nil },
				PreApply: func(context.Context, *patch.Transition) error { use(); return nil },
				Unload:   func(context.Context) { use() },
			},
		}, func() { gone.Store(true); released.Add(1) }, nil
	}})

	d := patch.NewDomain("d")
	require.NoError(t, e.Attach(t.Context(), d))

	over := make(chan struct{})

	var sections, operators sync.WaitGroup

	sections.Go(func() {
		w := d.NewWorker("w")
		defer w.Close()

		for {
			select {
			case <-over:
				return
			default:
				churned.In(w.Enter())()
				w.Leave()
			}
		}
	})

	for range 4 {
		operators.Go(func() {
			for range flips(2000) {
				name := string(rune('a' + rand.IntN(3)))

				p, err := e.Upload(t.Context(), strings.NewReader(name))
				if err != nil {
					s, err := e.Get(name)
					if err != nil {
						continue
					}

					p = s.Patch
				}

				switch rand.IntN(4) {
				case 0:
					_, _ = e.Apply(t.Context(), p, patch.On(d))
				case 1:
					_, _ = e.Revert(t.Context(), p, patch.On(d))
				case 2:
					_, _ = e.Replace(t.Context(), p, patch.Everywhere())
				default:
					_ = e.Unload(t.Context(), p)
				}
			}
		})
	}

	operators.Wait()
	close(over)
	sections.Wait()

	for all := d.Applied(); len(all) > 0; all = all[:len(all)-1] {
		_, err := e.Revert(t.Context(), all[len(all)-1], patch.On(d))
		require.NoError(t, err)
	}

	for _, s := range e.List() {
		_, err := e.Revert(t.Context(), s.Patch, patch.Everywhere()) // no new domain needs it
		require.NoError(t, err)
		require.NoError(t, e.Unload(t.Context(), s.Patch))
	}

	require.Equal(t, loaded.Load(), released.Load())
	require.NotZero(t, ran.Load())
}

var churned = patch.NewSlot("patch_test/churned", func() {})
