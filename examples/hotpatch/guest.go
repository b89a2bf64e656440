package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/vgraft/vgraft/vmm"
)

// Where the guest counts: counterSize bytes for each vCPU, in memory below its code.
const (
	counterBase = 0x40000
	counterSize = 64
	counterStop = 32 // the host asks this vCPU to stop
)

// counters are what the guest counts.
type counters struct{ messages, intact, corrupt, words uint64 }

func (c counters) minus(b counters) counters {
	return counters{c.messages - b.messages, c.intact - b.intact, c.corrupt - b.corrupt, c.words - b.words}
}

func sum(each []counters) (s counters) {
	for _, c := range each {
		s = counters{s.messages + c.messages, s.intact + c.intact, s.corrupt + c.corrupt, s.words + c.words}
	}

	return s
}

// guest looks into the memory of the running guest.
type guest struct {
	mem  vmm.Memory
	cpus int
}

func (g guest) read() ([]counters, error) {
	each := make([]counters, g.cpus)

	for i := range each {
		var b [4 * 8]byte
		if _, err := g.mem.ReadAt(b[:], counterBase+int64(i)*counterSize); err != nil {
			return nil, fmt.Errorf("read the guest's counters: %w", err)
		}

		word := func(n int) uint64 { return binary.LittleEndian.Uint64(b[8*n:]) }
		each[i] = counters{word(0), word(1), word(2), word(3)}
	}

	return each, nil
}

// stop asks every vCPU to stop after its message.
func (g guest) stop() error {
	for i := range g.cpus {
		if _, err := g.mem.WriteAt([]byte{1}, counterBase+int64(i)*counterSize+counterStop); err != nil {
			return fmt.Errorf("ask the guest to stop: %w", err)
		}
	}

	return nil
}

// after waits until every vCPU has ended n more messages than at from, and gives what
// is counted then. The counters are read once more for that: the guest counts the
// outcome of a message before the message.
func (g guest) after(ctx context.Context, from []counters, n uint64) ([]counters, error) {
	for {
		now, err := g.read()
		if err != nil {
			return nil, err
		}

		ended := true
		for i := range now {
			ended = ended && now[i].messages >= from[i].messages+n
		}

		if ended {
			return g.read()
		}

		if err := sleep(ctx, 100*time.Microsecond); err != nil {
			return nil, err
		}
	}
}

// period is what the guest sees in at least d and in at least 20 messages of each vCPU.
// It begins when the messages have ended that were in flight.
func (g guest) period(ctx context.Context, d time.Duration) (counters, error) {
	flying, err := g.read()
	if err != nil {
		return counters{}, err
	}

	begin, err := g.after(ctx, flying, 1)
	if err != nil {
		return counters{}, err
	}

	if err := sleep(ctx, d); err != nil {
		return counters{}, err
	}

	end, err := g.after(ctx, begin, 20)

	return sum(end).minus(sum(begin)), err
}

// sleep sleeps, or gives the reason why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() == nil {
		time.Sleep(d) // never long
	}

	return context.Cause(ctx)
}
