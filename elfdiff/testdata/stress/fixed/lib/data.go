package lib

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// New variables of all sorts.
var (
	primes  = [...]int{2, 3, 5, 7, 11, 13}
	names   = []string{"one", "two", "three"}
	static  = &record{Name: "static", Tags: []string{"a", "b"}, Next: &record{Name: "next", Values: map[string]float64(nil)}}
	tries   atomic.Int64
	head    atomic.Pointer[node]
	mu      sync.Mutex
	history map[string]*node // guarded by mu
	slots   [256]*node       // guarded by mu
	flat    [4096]byte
	boxed   struct {
		n    int
		any  any
		text string
		list []*node
		f    func() int
	} // guarded by mu
)

type node struct {
	n    int
	text string
	next *node
	pad  [5]uint64
}

type kind uint8

func (k kind) String() string { return [...]string{"plain", "fancy"}[k] }

type record struct {
	Name   string             `json:"name"`
	Tags   []string           `json:"tags,omitempty"`
	Values map[string]float64 `json:"values,omitempty"`
	Next   *record            `json:"next,omitempty"`
	Kind   kind               `json:"kind"`
	any    any
}

type inner1 struct {
	record
	*Shape
	Extra [2]complex128
}

func closures() error {
	n := 0
	add := func(k int) func() int {
		return func() int { n += k; return n }
	}

	a, b := add(1), add(10)
	a()
	b()

	var fs []func() int
	for i := range 5 {
		fs = append(fs, func() int { return i * i })
	}

	sum := 0
	for _, f := range fs {
		sum += f()
	}

	bound := (&node{n: 7}).get
	unbound := (*node).get
	var i interface{ get() int } = &node{n: 9}

	return all(want("n", n, 11), want("again", a(), 12), want("squares", sum, 30),
		want("method values", bound()+unbound(&node{n: 8})+i.get(), 24))
}

//go:noinline
func (n *node) get() int { return n.n }

// state keeps what it makes in new variables, for the collector to find.
func state() error {
	n := tries.Add(1)
	made := &node{n: int(n), text: fmt.Sprint("node ", n)}

	for {
		old := head.Load()
		if made.next = old; old != nil && n%64 == 0 {
			made.next = nil // so that it doesn't grow for ever
		}

		if head.CompareAndSwap(old, made) {
			break
		}
	}

	for x := head.Load(); x != nil; x = x.next {
		if x.text != fmt.Sprint("node ", x.n) {
			return &wrong{"a node of the list", x.text, x.n}
		}
	}

	flat[n%int64(len(flat))]++
	atomic.AddInt64(&Count, 1)

	return all(want("static", static.Next.Name+static.Tags[1], "nextb"), want("primes", primes[5]*len(names), 39))
}

// roots keeps what nothing but a new variable refers to.
func roots() error {
	mu.Lock()
	defer mu.Unlock()

	k := int(tries.Add(1))
	at := k % len(slots)

	if was := slots[at]; was != nil && (was.n%len(slots) != at || was.text != fmt.Sprint("slot ", was.n)) {
		return &wrong{"a slot", *was, at}
	}

	slots[at] = &node{n: k, text: fmt.Sprint("slot ", k)}

	if history == nil || len(history) > 200 {
		history = make(map[string]*node)
	}

	history[fmt.Sprint(k)] = &node{n: k, text: fmt.Sprint("history ", k)}

	for s, x := range history {
		if fmt.Sprint(x.n) != s || x.text != "history "+s {
			return &wrong{"history", x.text, s}
		}
	}

	if boxed.f != nil {
		if n := boxed.f(); n != boxed.n || boxed.any.(*node).n != n || boxed.text != fmt.Sprint("box ", n) || boxed.list[2].n != n+2 {
			return &wrong{"the box", fmt.Sprint(boxed.any, boxed.text, boxed.list), n}
		}
	}

	boxed.n, boxed.any, boxed.text = k, &node{n: k}, fmt.Sprint("box ", k)
	boxed.list = []*node{{n: k}, {n: k + 1}, {n: k + 2}}
	boxed.f = func() int { return k }

	return nil
}

// bulk copies values with pointers in them, for which there are barriers.
func bulk() error {
	list := make([]record, 0, 1)
	for i := range 40 {
		list = append(list, record{Name: fmt.Sprint(i), Tags: []string{fmt.Sprint("t", i)}, any: i})
	}

	list = slices.Insert(list, 3, record{Name: "x", Tags: []string{"tx"}, any: "x"})
	copy(list[10:], list[:20])

	for i := range 20 {
		r := list[10+i]
		if r.Name != fmt.Sprint(r.any) || r.Tags[0] != "t"+r.Name {
			return &wrong{"copy", r, i}
		}
	}

	pairs := [8][2]*record{}
	for i := range pairs {
		pairs[i] = [2]*record{{Name: "a"}, {Name: "b"}}
	}

	again := pairs

	return want("pairs", again[7][1].Name+again[0][0].Name, "ba")
}

func formats() error {
	r := record{Name: "r", Tags: []string{"x"}, Kind: 1, any: 5}
	i := inner1{record: r, Extra: [2]complex128{1 + 2i}}

	return all(
		want("%v", fmt.Sprintf("%v", kind(1)), "fancy"),
		want("%+v", fmt.Sprintf("%+v", r), "{Name:r Tags:[x] Values:map[] Next:<nil> Kind:fancy any:5}"),
		want("%#v", fmt.Sprintf("%#v", i.Extra), "[2]complex128{(1+2i), (0+0i)}"),
		want("%T", fmt.Sprintf("%T %T %T", r, &i, map[kind][]*record{}), "lib.record *lib.inner1 map[lib.kind][]*lib.record"),
		want("local", fmt.Sprintf("%+v", func() any { type local struct{ A, B any }; return local{r.Kind, &r.Name != nil} }()), "{A:fancy B:true}"),
	)
}

func jsons() error {
	in := record{Name: "json", Tags: []string{"p", "q"}, Values: map[string]float64{"pi": 3.5}, Next: &record{Name: "inner"}}

	b, err := json.Marshal(&in)
	if err != nil {
		return err
	}

	var out record
	if err := json.Unmarshal(b, &out); err != nil {
		return err
	}

	return all(
		want("json", string(b), `{"name":"json","tags":["p","q"],"values":{"pi":3.5},"next":{"name":"inner","kind":0},"kind":0}`),
		want("back", fmt.Sprintf("%+v", *out.Next)+out.Tags[1]+fmt.Sprint(out.Values["pi"]), "{Name:inner Tags:[] Values:map[] Next:<nil> Kind:plain any:<nil>}q3.5"),
	)
}

func reflection() error {
	t := reflect.TypeFor[record]()

	v := reflect.New(t).Elem()
	v.Field(0).SetString("reflected")

	m := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), reflect.PointerTo(t)))
	m.SetMapIndex(reflect.ValueOf("k"), v.Addr())

	s := reflect.Append(reflect.MakeSlice(reflect.SliceOf(t), 0, 1), v, v)

	f, ok := t.FieldByName("Tags")
	back, isMap := m.Interface().(map[string]*record)
	list, isList := s.Interface().([]record)

	double := reflect.MakeFunc(reflect.TypeFor[func(kind) kind](), func(a []reflect.Value) []reflect.Value { return a })

	return all(
		want("slice", reflect.SliceOf(t) == reflect.TypeFor[[]record](), true),
		want("pointer", reflect.PointerTo(reflect.PointerTo(t)) == reflect.TypeFor[**record](), true),
		want("map", reflect.MapOf(reflect.TypeFor[kind](), t) == reflect.TypeFor[map[kind]record](), true),
		want("channel", reflect.ChanOf(reflect.BothDir, t) == reflect.TypeFor[chan record](), true),
		want("array", reflect.ArrayOf(3, t) == reflect.TypeFor[[3]record](), true),
		want("function", reflect.FuncOf([]reflect.Type{t}, []reflect.Type{t}, false) == reflect.TypeFor[func(record) record](), true),
		want("tag", f.Tag.Get("json"), "tags,omitempty"), want("found", ok && isMap && isList, true),
		want("value", back["k"].Name+list[1].Name, "reflectedreflected"),
		want("made", double.Interface().(func(kind) kind)(1), 1),
		want("equal", reflect.DeepEqual(static, static.Next), false),
		want("package", t.PkgPath()+t.Name()+t.String(), "example.com/stress/librecordlib.record"),
	)
}

// measured is a new interface, that a type of the program implements.
type measured interface {
	Area(k int) int
	String() string
}

type sized []record

func (s sized) Len() int           { return len(s) }
func (s sized) Less(i, j int) bool { return s[i].Name < s[j].Name }
func (s sized) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

func interfaces() error {
	var old any = Held

	m, ok := old.(measured)
	if !ok {
		return &wrong{"a type of the program", fmt.Sprintf("%T", old), "measured"}
	}

	list := sized{{Name: "c"}, {Name: "a"}, {Name: "b"}}
	sort.Sort(list)

	var text fmt.Stringer = m

	_, no := any(list).(measured)

	switch x := any(&list[0]).(type) {
	case measured:
		return &wrong{"a record", x, "measured"}
	case *record:
		x.Name += "!"
	}

	return all(
		want("area", m.Area(2), 14), want("string", text.String(), "square4"), want("sorted", list[0].Name+list[2].Name, "a!c"),
		want("no", no, false), want("same", text == fmt.Stringer(Held), true), want("as key", map[measured]int{m: 5}[Held], 5),
		want("slot", fmt.Sprint(kind(0)), "plain"),
	)
}

// tree is a new generic type.
type tree[K interface{ ~int | ~string }, V any] struct {
	left, right *tree[K, V]
	key         K
	value       V
}

func (t *tree[K, V]) put(k K, v V) *tree[K, V] {
	switch {
	case t == nil:
		return &tree[K, V]{key: k, value: v}
	case k < t.key:
		t.left = t.left.put(k, v)
	case k > t.key:
		t.right = t.right.put(k, v)
	default:
		t.value = v
	}

	return t
}

func (t *tree[K, V]) all(yield func(K, V) bool) bool {
	return t == nil || t.left.all(yield) && yield(t.key, t.value) && t.right.all(yield)
}

type name string

func trees() error {
	var a *tree[int, *record]
	var b *tree[name, kind]

	for i := range 30 {
		k := i * 7 % 30
		a = a.put(k, &record{Name: fmt.Sprint(k)})
		b = b.put(name(fmt.Sprint(k)), kind(k%2))
	}

	last, n := -1, 0
	a.all(func(k int, r *record) bool {
		if k <= last || r.Name != fmt.Sprint(k) {
			n = -1000
		}

		last = k
		n++

		return true
	})

	m := 0
	for k := range func(yield func(name) bool) { b.all(func(k name, _ kind) bool { return yield(k) }) } {
		if m++; k == "3" {
			break
		}
	}

	return all(want("a", n, 30), want("b", m, 24), want("type", fmt.Sprintf("%T", b), "*lib.tree[example.com/stress/lib.name,example.com/stress/lib.kind]"))
}

func generics() error {
	list := []record{{Name: "bb", Kind: 1}, {Name: "a"}, {Name: "ccc"}}
	slices.SortFunc(list, func(a, b record) int { return len(a.Name) - len(b.Name) })

	at, found := slices.BinarySearchFunc(list, 3, func(r record, n int) int { return len(r.Name) - n })

	return all(
		want("sum", Sum(list, func(r record) int { return len(r.Name) }), 6),
		want("of kinds", Sum([]kind{1, 1, 0}, func(k kind) int { return int(k) }), 2),
		want("sorted", list[0].Name+list[2].Name, "accc"), want("found", fmt.Sprint(at, found), "2 true"),
		want("index", slices.IndexFunc(list, func(r record) bool { return r.Kind == 1 }), 1),
		want("sorted keys", slices.Sorted(maps.Keys(map[name]bool{"z": true, "y": true}))[0], "y"),
		want("max", max(slices.Max([]name{"p", "q"}), "o"), "q"),
	)
}

func mapsOfAll() error {
	m := map[string]record{}
	for i := range 100 {
		m[fmt.Sprint(i)] = record{Name: fmt.Sprint(i), any: m}
	}

	for k := range m {
		if len(k) == 1 {
			delete(m, k)
		}
	}

	deep := map[int]map[string][]*record{1: {"x": {{Name: "deep"}}}}
	big := map[[20]int64]*record{{19: 5}: {Name: "big"}}
	clone := maps.Clone(m)
	clear(m)

	return all(want("left", len(clone), 90), want("cleared", len(m), 0), want("42", clone["42"].Name, "42"),
		want("deep", deep[1]["x"][0].Name, "deep"), want("big", big[[20]int64{19: 5}].Name, "big"))
}

// keys has new types whose hashes and comparisons the compiler makes.
func keys() error {
	type key struct {
		a  string
		b  any
		_  int32
		c  float64
		in struct{ k kind }
	}

	m := map[key]int{}
	for i := range 50 {
		m[key{a: fmt.Sprint(i % 10), b: i % 5, c: float64(i % 2)}]++
	}

	var a, b any = key{a: "x", b: 1}, key{a: "x", b: 1}
	array := map[[2]any]bool{{1, "x"}: true}

	return all(want("keys", len(m), 10), want("count", m[key{a: "3", b: 3, c: 1}], 5), want("equal", a == b, true),
		want("arrays", array[[2]any{1, "x"}] && !array[[2]any{1, "y"}], true))
}

func stringsOf() error {
	var b strings.Builder
	for i, r := range "héllo, wörld" {
		fmt.Fprintf(&b, "%d%c", i, r)
	}

	s := strings.Map(func(r rune) rune {
		if r > 127 {
			return '?'
		}

		return r
	}, b.String())

	return all(want("text", s, "0h1?3l4l5o6,7 8w9?11r12l13d"), want("bytes", string([]byte(s)[:2])+string([]rune("ö")), "0hö"),
		want("compare", s < "0i" && strings.Contains(s, "11r"), true))
}

func floats() error {
	x := math.Sqrt(2)*math.Pi + 1e-9
	u := uint64(1) << (uint(tries.Load()) % 3 * 0)

	return all(want("float", math.Float64bits(x) != 0 && x > 4.442 && x < 4.443, true), want("complex", real(complex(x, 1)*complex(0, 1)), -1.0),
		want("shift", u, 1), want("fma", math.FMA(2, 3, 4), 10.0))
}

// program calls what the program has, and looks at what is its.
func program() error {
	return all(want("chain", Held.Area(1), 7), want("sum", Sum([]*Shape{Held}, (*Shape).corners), 4), want("own", leaf(1), 3))
}

func (s *Shape) corners() int { return s.Sides }
