package patch_test

import (
	"sync"
	"testing"

	"github.com/vgraft/vgraft/patch"
)

// BenchmarkShadow puts Get beside what one would write by hand, a map under a mutex, which
// however keeps every object alive. Attaching and detaching has no such pair.
func BenchmarkShadow(b *testing.B) {
	const n = 1000

	var (
		s       = patch.NewShadow[queue, credits](uniqueName(b))
		mu      sync.Mutex
		plain   = map[*queue]*credits{}
		objects [n]*queue
	)

	for i := range objects {
		objects[i] = &queue{}
		plain[objects[i]] = &credits{}

		if _, err := s.Attach(objects[i], credits{}); err != nil {
			b.Fatal(err)
		}
	}

	ways := map[string]func(*queue) *credits{
		"shadow": func(q *queue) *credits { v, _ := s.Get(q); return v },
		"map": func(q *queue) *credits {
			mu.Lock()
			defer mu.Unlock()

			return plain[q]
		},
	}

	for _, way := range []string{"shadow", "map"} {
		get := ways[way]

		b.Run("get/"+way, func(b *testing.B) {
			b.ReportAllocs()

			for i := 0; b.Loop(); i++ {
				if get(objects[i%n]) == nil {
					b.Fatal("not there")
				}
			}
		})

		b.Run("get-parallel/"+way, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if get(objects[i%n]) == nil {
						panic("not there")
					}
				}
			})
		})
	}

	b.Run("get-none", func(b *testing.B) {
		b.ReportAllocs()

		q := &queue{}

		for b.Loop() {
			if _, ok := s.Get(q); ok {
				b.Fatal("there")
			}
		}
	})

	b.Run("attach-detach", func(b *testing.B) {
		b.ReportAllocs()

		q := &queue{}

		for b.Loop() {
			if _, err := s.Attach(q, credits{}); err != nil {
				b.Fatal(err)
			}

			s.Detach(q, nil)
		}
	})
}
