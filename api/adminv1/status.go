package adminv1

import (
	"context"
	"slices"
	"time"
)

// sortSteps orders steps by time; those of the same instant stay as they were found.
func sortSteps(s []StoryStep) {
	slices.SortStableFunc(s, func(a, b StoryStep) int { return a.Time.Compare(b.Time) })
}

// Status is the node at a glance. A link that is down makes it degraded, never unready: a remote
// outage must not remove every API node (docs/reference/conventions.md §3.3).
type Status struct {
	Version  string    `json:"version"`
	Time     time.Time `json:"time"`
	State    string    `json:"state" enum:"ok,degraded,refusing"`
	Why      []string  `json:"why"`
	LinksUp  int       `json:"links_up"`
	LinksAll int       `json:"links_all"`
	Waiting  int64     `json:"waiting" doc:"Texts that wait for a link."`
}

type statusOut struct{ Body Status }

func (x *api) status(h operations) {
	get(h, "/admin/v1/status", "Show how the node stands", func(ctx context.Context, _ *none) (*statusOut, error) {
		s := Status{Version: x.Version, Time: x.Now(), State: "ok", Why: []string{}}
		for _, l := range x.Router.Links() {
			s.LinksAll++
			switch {
			case l.State.Up:
				s.LinksUp++
			case !l.Paused:
				s.State = "degraded"
				s.Why = append(s.Why, "link "+l.Name+" is down: "+l.State.Error)
			}
		}
		jobs, err := x.Jobs(ctx)
		if err != nil {
			return nil, err
		}
		for _, n := range jobs {
			s.Waiting += n
		}
		if err := x.Store.Writable(); err != nil {
			s.State = "refusing"
			s.Why = append(s.Why, err.Error())
		}
		return &statusOut{s}, nil
	})
}
