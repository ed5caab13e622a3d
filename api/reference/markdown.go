package reference

import (
	"fmt"
	"strings"

	"longlines/fault"
)

// indexMarkdown is /errors as Markdown.
func (r *Reference) indexMarkdown() []byte {
	var b strings.Builder
	b.WriteString("# Errors\n\nEvery answer of the platform that is no success: what it means and what to do. ")
	fmt.Fprintf(&b, "As one document: %s/errors.json\n", r.base)
	titles := []string{"Policy", "Service", "OAuth"}
	last := -1
	for _, code := range fault.Codes() {
		rows := fault.ByCode(code)
		if f := familyOf(rows[0]); f != last {
			last = f
			fmt.Fprintf(&b, "\n## %s\n\n| Code | Status | Meaning | Remedy |\n|---|---|---|---|\n", titles[f])
		}
		for _, row := range rows {
			fmt.Fprintf(&b, "| [%s](%s/errors/%s.md) | %s | %s | %s |\n", row.Code, r.base, row.Code, statusWord(row), cell(row.Title), cell(row.Remedy))
		}
	}
	return []byte(b.String())
}

func statusWord(r fault.Row) string {
	if !r.Raised {
		return "never answered"
	}
	return itoa(r.Status)
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// codeMarkdown is the page of one code as Markdown.
func (r *Reference) codeMarkdown(rows []fault.Row) []byte {
	p := r.codePage(rows)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", p.Code)
	if p.Text != "" {
		fmt.Fprintf(&b, "Text: `%s`\n\n", p.Text)
	}
	if p.Raised > 1 {
		fmt.Fprintf(&b, "This code has %d meanings.\n\n", p.Raised)
	}
	for _, c := range p.Cases {
		fmt.Fprintf(&b, "## %s\n\n", c.Title)
		fmt.Fprintf(&b, "- Address: %s%s\n", r.base, c.Path())
		if c.Raised {
			for _, s := range c.Surfaces {
				fmt.Fprintf(&b, "- %s: %s, %s\n", s.Name, s.Status, s.Body)
			}
			if c.Tell != "" {
				word := "Variables"
				if c.OAuth() {
					word = "error_description"
				}
				fmt.Fprintf(&b, "- %s: `%s`\n", word, c.Tell)
			}
			fmt.Fprintf(&b, "- Remedy lies with: %s\n", c.Blame)
		} else {
			b.WriteString("- Never answered.\n")
		}
		fmt.Fprintf(&b, "\n%s\n", c.Condition)
		if len(c.Causes) > 0 {
			b.WriteString("\nUsual causes:\n\n")
			for _, s := range c.Causes {
				fmt.Fprintf(&b, "- %s\n", s)
			}
		}
		if c.Raised {
			fmt.Fprintf(&b, "\nWhat to do: %s\n", c.Remedy)
			if len(c.Steps) > 0 {
				b.WriteString("\n")
				for i, s := range c.Steps {
					fmt.Fprintf(&b, "%d. %s\n", i+1, s)
				}
			}
		}
		if c.Try != "" {
			fmt.Fprintf(&b, "\nSee it in the sandbox: %s\n", c.Try)
		}
		if c.Example != nil {
			fmt.Fprintf(&b, "\n```http\n%s\n```\n\n```http\n%s\n```\n", c.Example.Request, strings.TrimRight(c.Example.Reply, "\n"))
		}
		b.WriteString("\n")
	}
	if len(p.Related) > 0 {
		b.WriteString("Related: ")
		for i, rel := range p.Related {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "[%s](%s/errors/%s.md)", rel.Code, r.base, rel.Code)
		}
		b.WriteString("\n")
	}
	return []byte(b.String())
}

// llmsText is /llms.txt: an index for machines that read documentation.
func (r *Reference) llmsText() []byte {
	var b strings.Builder
	b.WriteString("# Longlines\n\n> A carrier's API platform: OAuth tokens, SMS, picture messages, subscribers' mailboxes, notifications, calls and emergency addresses over HTTP.\n\n")
	b.WriteString("Ask for a token at POST /oauth/v4/token, then call an API with Authorization: Bearer <token>. ")
	b.WriteString("Every error reply names its explanation in the header Link with rel=\"describedby\".\n\n## Errors\n\n")
	fmt.Fprintf(&b, "- [All errors](%s/errors.md): code, status, meaning, remedy\n", r.base)
	fmt.Fprintf(&b, "- [All errors as JSON](%s/errors.json): the whole catalogue as one document\n", r.base)
	for _, code := range fault.Codes() {
		var titles []string
		for _, row := range fault.ByCode(code) {
			titles = append(titles, row.Title)
		}
		fmt.Fprintf(&b, "- [%s](%s/errors/%s.md): %s\n", code, r.base, code, strings.Join(titles, "; "))
	}
	return []byte(b.String())
}
