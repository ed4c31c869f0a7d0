package register

import "net/http"

// Registered is where GitHub sends the browser with its code.
func (f *Flow) Registered(w http.ResponseWriter, r *http.Request) { f.registered(w, r) }

// APIURL is where the REST API of a GitHub is.
func APIURL(web string) string { return apiURL(web) }
