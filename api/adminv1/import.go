package adminv1

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"longlines/app"
	"longlines/audit"
)

// MaxImportBatch is how many apps one call takes over. Each costs a slow hash of some tens of
// milliseconds, so a call stays within a second or two and a client can say how far it is.
const MaxImportBatch = 20

// maxImportBody has room for a batch of apps with every address at its longest (2,048 characters), each
// character written as an escape.
const maxImportBody = 2 << 20

// ImportResult is what became of one app of an import.
type ImportResult struct {
	Name    string `json:"name"`
	Key     string `json:"key"`
	Outcome string `json:"outcome" enum:"created,unchanged,refused" doc:"unchanged: it is there already, with this key, name and secret (or keys)."`
	Reason  string `json:"reason,omitempty" doc:"Why it was refused, and nothing of it was changed; of others, what to know: what an app that is there keeps its own of, and that it gets no token."`
}

type (
	importIn struct {
		Body struct {
			Apps   []App `json:"apps" minItems:"1" maxItems:"20" doc:"With name and key each, and a secret, or keys with private_key_jwt, or neither with none."`
			DryRun bool  `json:"dry_run,omitempty" doc:"Only say what would happen."`
		}
	}
	importOut struct {
		Body struct {
			Results []ImportResult `json:"results" doc:"In the order of the apps."`
		}
	}
)

func (x *api) imports(h operations) {
	operation(h, huma.Operation{Method: http.MethodPost, Path: "/admin/v1/apps/import", DefaultStatus: http.StatusOK, MaxBodyBytes: maxImportBody,
		Summary: "Take over apps with the keys and secrets they have; safe to repeat"}, func(ctx context.Context, in *importIn) (*importOut, error) {
		list := make([]app.Import, 0, len(in.Body.Apps))
		for i, v := range in.Body.Apps {
			a := app.App{Key: v.Key}
			if err := v.fill(&a); err != nil {
				var invalid *app.Invalid
				if errors.As(err, &invalid) {
					return nil, misfit(fmt.Sprintf("body.apps[%d].%s", i, invalid.Field), invalid.Reason)
				}
				return nil, err
			}
			list = append(list, app.Import{App: a, Secret: v.Secret})
		}
		out := &importOut{}
		said, _ := audit.From(ctx)
		for i, a := range list {
			// Each app is a change of its own, so each has its entry.
			r := ImportResult{Name: a.App.Name, Key: a.App.Key, Reason: x.Apps.Remark(a)}
			err := about(ctx, said, "app "+app.CleanName(a.App.Name), auditDetail(in.Body.Apps[i], nil), func(ctx context.Context) error {
				outcome, err := x.Apps.Import(ctx, a, in.Body.DryRun)
				if outcome == "" {
					return err
				}
				if r.Outcome = string(outcome); err != nil {
					r.Reason = err.Error()
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			out.Body.Results = append(out.Body.Results, r)
		}
		if in.Body.DryRun {
			audit.Done(ctx) // nothing was done
		}
		return out, nil
	})
}
