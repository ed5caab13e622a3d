package fault

import "encoding/json"

// MarshalJSON is the row as /errors.json and `longlines explain --output json`
// show it.
func (r Row) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code         string   `json:"code"`
		Case         string   `json:"case"`
		Path         string   `json:"path"`
		Title        string   `json:"title"`
		Kind         Kind     `json:"kind"`
		Raised       bool     `json:"raised"`
		Status       int      `json:"status,omitempty"`
		ModernStatus int      `json:"modernStatus,omitempty"`
		Text         string   `json:"text,omitempty"`
		Variables    string   `json:"variables,omitempty"`
		Shape        string   `json:"variablesHold,omitempty"`
		Description  string   `json:"errorDescription,omitempty"`
		Remedy       string   `json:"remedy"`
		Blame        Blame    `json:"blame"`
		Condition    string   `json:"condition"`
		Causes       []string `json:"causes,omitempty"`
		Steps        []string `json:"steps,omitempty"`
		APIs         []string `json:"apis,omitempty"`
		Methods      []string `json:"methods,omitempty"`
		Seed         []string `json:"publishedAs,omitempty"`
		Try          string   `json:"try,omitempty"`
		Related      []string `json:"related,omitempty"`
		Source       string   `json:"source"`
	}{
		Code: r.Code, Case: r.Case, Path: r.Path(), Title: r.Title, Kind: r.Kind, Raised: r.Raised, Status: r.Status, ModernStatus: r.Modern,
		Text: r.Text, Variables: r.Value(), Shape: r.Shape, Description: r.Description, Remedy: r.Remedy, Blame: r.Blame, Condition: r.Condition,
		Causes: r.Causes, Steps: r.Steps, APIs: r.APIs, Methods: r.Methods, Seed: r.Seed, Try: r.Try(), Related: r.Related(), Source: r.Source,
	})
}

// Try says in words how to see the case in the sandbox, by its magic number or
// street and by what else it takes; "" if nothing is known to provoke it.
func (r Row) Try() string {
	s := ""
	switch {
	case r.Magic == "":
		return r.Provoke
	case len(r.Magic) == 2:
		s = "Use a number that ends in " + r.Magic + ", such as +142555501" + r.Magic + "."
	default:
		s = "Use the street " + r.Magic + "."
	}
	if r.Provoke != "" {
		s += " " + r.Provoke
	}
	return s
}
