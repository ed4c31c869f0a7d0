package app

import (
	"io"
	"net/http"
)

// homePage says what this address is, and nothing about anyone's pull requests: whoever reaches the server may read it.
const homePage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>changegate</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
  code { background: color-mix(in srgb, currentColor 9%, transparent); padding: .1em .3em; border-radius: .3em; }
</style>
<h1>changegate</h1>
<p>This server enforces a change policy on pull requests. It talks to GitHub: what it decides is in the check run
  <strong>Change policy</strong> of each pull request.</p>
<ul>
  <li><a href="/readyz">/readyz</a> says whether it is ready</li>
  <li><a href="/healthz">/healthz</a> says whether it lives</li>
  <li><a href="/metrics">/metrics</a> is for Prometheus</li>
</ul>
<p>GitHub delivers its webhooks to <code>/api/github/hook</code>.</p>
`

func home(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = io.WriteString(w, homePage)
}
