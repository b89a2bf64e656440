package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report prints a table for each goal, and a line in it for each monitor with the ratio to
// the first one's.
func report(w io.Writer, all []*runner) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	defer t.Flush()

	var first *runner

	for _, r := range all {
		note := strings.Join(strings.Fields(r.note), " ") // in one line

		if first == nil || r.Goal != first.Goal {
			first = r

			fmt.Fprintf(t, "\nprocess start to %s\n", r.Goal)
			fmt.Fprintln(t, "monitor\truns\tmedian s\tmin\tmax\tratio\t")
		}

		if len(r.times) == 0 {
			fmt.Fprintf(t, "%s\t0\t-\t-\t-\t-\t%.200s\n", r.Name, note)
			continue
		}

		ratio := "-"
		if len(first.times) > 0 {
			ratio = fmt.Sprintf("%.2f", median(r.times).Seconds()/median(first.times).Seconds())
		}

		fmt.Fprintf(t, "%s\t%d\t%.3f\t%.3f\t%.3f\t%s\t%.200s\n", r.Name, len(r.times), median(r.times).Seconds(),
			slices.Min(r.times).Seconds(), slices.Max(r.times).Seconds(), ratio, note)
	}
}

// median of what isn't empty.
func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))

	return (d[(len(d)-1)/2] + d[len(d)/2]) / 2
}
