package gort

import "fmt"

// Parts of a type's description.
const (
	typeKind   = 23
	typeFirst  = 48 // the first word of what a kind adds
	typeSecond = 56
	typeThird  = 64
	typeEnd    = 72
	fieldSize  = 24
	fieldType  = 8
	fieldPlace = 16

	kindMask = 31
)

// Kinds of types that reflection can make.
const (
	kindArray   = 17
	kindChan    = 18
	kindFunc    = 19
	kindMap     = 21
	kindPointer = 22
	kindSlice   = 23
	kindStruct  = 25
)

// checkMade holds that reflection hasn't made any of the types that the payload brings: where
// it has, the program has values of a type that isn't the payload's, though it looks the same.
// Once the payload is linked in, reflection takes the payload's.
func (im *Image) checkMade() error {
	m := &im.file.Meta

	var err error

	for _, cache := range m.Runtime.MadeTypes {
		madeTypes(cache+im.proc.bias, func(made uint64) {
			for _, t := range m.Types {
				if err == nil && sameType(im.base+t, made) {
					err = fmt.Errorf("%w: %s", ErrMadeType, nameOfType(made))
				}
			}
		})
	}

	return err
}

// checkTypes holds that what is compared is there: types in the image, and caches that are
// what the payload says.
func (im *Image) checkTypes(used []region) error {
	m := &im.file.Meta

	for _, t := range m.Types {
		if !im.describes(t) {
			return fmt.Errorf("%w: a type at %#x", ErrAddress, t)
		}
	}

	for _, cache := range m.Runtime.MadeTypes {
		at := cache + im.proc.bias
		if at%8 != 0 || !writable(used, span{at, at + mapSize}) || !isMap(at) {
			return fmt.Errorf("%w: %#x is nothing that reflection keeps types in", ErrAddress, cache)
		}
	}

	return nil
}

// describes says whether the image has the whole of a type at an offset.
func (im *Image) describes(t uint64) bool {
	if !im.holds(t, typeFirst) {
		return false
	}

	at := im.base + t

	switch kindOf(at) {
	case kindPointer, kindSlice:
		return im.holds(t, typeSecond)
	case kindMap, kindChan:
		return im.holds(t, typeThird)
	case kindArray:
		return im.holds(t, typeEnd)
	case kindFunc:
		return im.holds(t, typeSecond) && im.holds(t, typeSecond+8*params(at))
	case kindStruct:
		if !im.holds(t, typeEnd) {
			return false
		}

		n := load(at+typeThird, 8)

		return n <= im.size/fieldSize && im.holds(load(at+typeSecond, 8)-im.base, n*fieldSize)
	}

	return false
}

// kindOf is the kind of the type that is described there.
func kindOf(t uint64) uint64 { return load(t+typeKind&^3, 4) >> 24 & kindMask }

// params counts the arguments and results of a function type.
func params(t uint64) uint64 {
	n := load(t+typeFirst, 4)

	return n&0xffff + n>>16&0x7fff
}

// sameType says whether two types without names are the same but for where they are described.
// What they consist of is compared by its place: if that, too, is described twice, it is a type
// of the payload that was made as well.
func sameType(a, b uint64) bool {
	kind := kindOf(a)
	if a == b || kind != kindOf(b) {
		return false
	}

	same := func(off uint64) bool { return load(a+off, 8) == load(b+off, 8) }

	switch kind {
	case kindPointer, kindSlice:
		return same(typeFirst)
	case kindMap, kindChan:
		return same(typeFirst) && same(typeSecond)
	case kindArray:
		return same(typeFirst) && same(typeThird)
	case kindFunc:
		if load(a+typeFirst, 4) != load(b+typeFirst, 4) {
			return false
		}

		for i := range params(a) {
			if !same(typeSecond + 8*i) {
				return false
			}
		}

		return true
	case kindStruct:
		return sameFields(a, b)
	}

	return false
}

// sameFields is true of structs with the same types at the same places. That two structs which
// differ in names and tags alone are taken for one refuses a payload too many, and harms nobody.
func sameFields(a, b uint64) bool {
	n := load(a+typeThird, 8)
	if n != load(b+typeThird, 8) {
		return false
	}

	x, y := load(a+typeSecond, 8), load(b+typeSecond, 8)

	for i := range n {
		for _, off := range []uint64{fieldType, fieldPlace} {
			if load(x+i*fieldSize+off, 8) != load(y+i*fieldSize+off, 8) {
				return false
			}
		}
	}

	return true
}
