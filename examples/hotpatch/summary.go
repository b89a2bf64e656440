package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// finish stops the guest between two messages, and compares the books.
func (s *story) finish(ctx context.Context, flips int, took time.Duration) (summary, error) {
	if err := s.guest.stop(); err != nil {
		return summary{}, err
	}

	for _, f := range s.device {
		select {
		case <-f.done:
		case <-ctx.Done():
			return summary{}, context.Cause(ctx)
		case <-time.After(10 * time.Second):
			return summary{}, errors.New("the guest was asked to stop and didn't in 10 s")
		}
	}

	each, err := s.guest.read()
	if err != nil {
		return summary{}, err
	}

	sent, seen := sum(each), s.device.seen()
	missing := int64(sent.words) - int64(seen.oldWords+seen.newWords)

	return summary{
		Event: "summary", VCPUs: s.guest.cpus, Flips: flips, FlipsTook: int64(took),
		Words: sent.words, Bytes: 4 * (seen.oldWords + seen.newWords),
		OldWords: seen.oldWords, NewWords: seen.newWords, Overran: seen.overran, Rejected: seen.rejected,
		Lost:     max(missing, -missing) + int64(seen.gaps),
		Messages: sent.messages, Corrupt: sent.corrupt, Intact: sent.intact,
		Apply: s.applyTook.quantile(0.5), ApplyP99: s.applyTook.quantile(0.99), Swap: s.swap.quantile(0.5),
		Stall:    max(0, s.flipped.quantile(0.5)-s.idle.quantile(0.5)),
		GapApply: s.flipped.quantile(0.5), GapApplyP99: s.flipped.quantile(0.99),
		GapControl: s.idle.quantile(0.5), GapControlP99: s.idle.quantile(0.99),
		Samples: len(s.flipped),
		Build:   s.made.Build, Diff: s.made.Diff, Upload: s.made.Upload, Payload: s.made.Size,
	}, nil
}

// summary is the last line of -json.
type summary struct {
	Event         string `json:"event"`
	VCPUs         int    `json:"vcpus"`
	Flips         int    `json:"flips"`
	FlipsTook     int64  `json:"flips_took_ns"`
	Words         uint64 `json:"words"`
	Bytes         uint64 `json:"bytes"`
	OldWords      uint64 `json:"words_old_code"`
	NewWords      uint64 `json:"words_new_code"`
	Overran       uint64 `json:"overran"`
	Rejected      uint64 `json:"rejected"`
	Lost          int64  `json:"lost"`
	Messages      uint64 `json:"messages"`
	Corrupt       uint64 `json:"corrupt"`
	Intact        uint64 `json:"intact"`
	Apply         int64  `json:"apply_ns"`
	ApplyP99      int64  `json:"apply_p99_ns"`
	Swap          int64  `json:"swap_ns"`
	Stall         int64  `json:"stall_ns"`
	GapApply      int64  `json:"gap_apply_p50_ns"`
	GapApplyP99   int64  `json:"gap_apply_p99_ns"`
	GapControl    int64  `json:"gap_control_p50_ns"`
	GapControlP99 int64  `json:"gap_control_p99_ns"`
	Samples       int    `json:"gap_samples"`
	Build         int64  `json:"build_ns"`
	Diff          int64  `json:"diff_ns"`
	Upload        int64  `json:"upload_ns"`
	Payload       int    `json:"payload_bytes"`
}

// check holds the guest's books against the device's.
func (s summary) check() error {
	switch {
	case s.Lost != 0:
		return fmt.Errorf("%d of %d words were lost, repeated or out of order", s.Lost, s.Words)
	case s.Corrupt != s.Overran || s.Intact != s.Rejected || s.Messages != s.Corrupt+s.Intact:
		return fmt.Errorf("of %d messages the guest saw %d corrupt and %d intact, the device %d and %d", s.Messages, s.Corrupt, s.Intact, s.Overran, s.Rejected)
	}

	return nil
}
