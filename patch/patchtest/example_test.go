package patchtest_test

import (
	"fmt"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/patchtest"
)

// A shop, whose prices are wrong: it adds the tax twice.
type shop struct{ tax int }

var (
	net   = patch.NewSlot("example.com/shop.net", func(s *shop, price int) int { return price + s.tax })
	gross = patch.NewSlot("example.com/shop.gross", func(s *shop, net int) int { return net + s.tax })
)

func (s *shop) price(sec patch.Section, p int) int { return gross.In(sec)(s, net.In(sec)(s, p)) }

func fixedShop() *patch.Patch {
	p, err := patch.New("tax-once", patch.Func(net, func(_ *shop, price int) int { return price }))
	if err != nil {
		panic(err)
	}

	return p
}

func ExampleCompare() {
	s := &shop{tax: 7}

	wrong, right := patchtest.Compare(t, fixedShop(), patchtest.Options{}, func(sec patch.Section) int {
		return s.price(sec, 100)
	})

	fmt.Println(wrong, right)
	// Output: 114 107
}

// Many workers ask for a price in two ways while the patch comes and goes: they get two
// wrong ones or two right ones.
func ExampleHammer() {
	s := &shop{tax: 7}

	patchtest.Hammer(t, fixedShop(), patchtest.Options{Flips: 50}, func(sec patch.Section) [2]int {
		return [2]int{s.price(sec, 100), s.price(sec, 200)}
	})

	fmt.Println("never one of each")
	// Output: never one of each
}

func ExampleFail() {
	s := &shop{tax: 7}

	patchtest.Fail(t, fixedShop(), patchtest.Options{}, func(sec patch.Section) int { return s.price(sec, 100) })

	fmt.Println("nothing is left behind")
	// Output: nothing is left behind
}
