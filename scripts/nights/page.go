package main

import (
	"html/template"
	"os"
	"slices"
	"strings"

	"steadfeed/soak"
)

// page shows the newest night first; it needs no network.
var page = template.Must(template.New("").Funcs(template.FuncMap{
	"class": func(o soak.Outcome) string { return strings.ReplaceAll(string(o), " ", "-") },
	"short": func(commit string) string { return commit[:min(len(commit), 12)] },
}).Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>steadfeed: nightly soak</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100% } td, th { padding: .35rem .7rem; border-bottom: 1px solid #d8dee4; text-align: left; vertical-align: top }
.pass { color: #1a7f37 } .fail, .no-verdict { color: #b42318; font-weight: 600 } .inconclusive { color: #8a6100 }
.number { text-align: right; font-variant-numeric: tabular-nums }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } td, th { border-color: #30363d } .pass { color: #56d364 } .fail, .no-verdict { color: #ff7b72 } .inconclusive { color: #e3b341 } a { color: #79c0ff } }
</style>
<h1>Nightly soak, the last {{len .}} nights</h1>
<table>
<tr><th>night<th>commit<th>run<th>outcome<th class="number">hours<th class="number">trades<th class="number">lost<th>why
{{range .}}{{$night := .}}{{range .Runs}}<tr><td>{{if $night.URL}}<a href="{{$night.URL}}">{{$night.Date}}</a>{{else}}{{$night.Date}}{{end}}<td>{{short $night.Commit}}<td>{{.Plan}}<td class="{{class .Outcome}}">{{.Outcome}}<td class="number">{{printf "%.1f" .Hours}}<td class="number">{{.Published}}<td class="number">{{.Lost}}<td>{{.Why}}
{{end}}{{end}}</table>
`))

func writePage(path string, nights []Night) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	newestFirst := slices.Clone(nights)
	slices.Reverse(newestFirst)
	if err := page.Execute(f, newestFirst); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
