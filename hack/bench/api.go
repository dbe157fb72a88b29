package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// api is the engine's API and nothing else.
type api struct{ client *http.Client }

func newAPI(host string) (*api, error) {
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return nil, fmt.Errorf("DOCKER_HOST has to be a unix:// address, and is %q; see hack/with-engine", host)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &api{&http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}}}, nil
}

// call does one call; in and out may be nil.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if out != nil {
		return json.Unmarshal(text, out)
	}
	return nil
}

type object map[string]any

// labels are those by which the project is found.
func labels() object { return object{"com.docker.compose.project": project} }

func filtered(path string) string {
	filter, _ := json.Marshal(map[string][]string{"label": {"com.docker.compose.project=" + project}})
	return path + "?all=1&filters=" + url.QueryEscape(string(filter))
}

func (a *api) createNetwork(ctx context.Context) error {
	return a.call(ctx, http.MethodPost, "/networks/create", object{"Name": project + "_default", "Labels": labels()}, nil)
}

// create makes a container of the testapp.
func (a *api) create(ctx context.Context, name, image string, command []string) error {
	return a.call(ctx, http.MethodPost, "/containers/create?name="+name, object{
		"Image": image, "Cmd": command, "Labels": labels(),
		"HostConfig": object{"NetworkMode": project + "_default"},
	}, nil)
}

func (a *api) start(ctx context.Context, name string) error {
	return a.call(ctx, http.MethodPost, "/containers/"+name+"/start", nil, nil)
}

// stop ends a container without any grace.
func (a *api) stop(ctx context.Context, name string) error {
	return a.call(ctx, http.MethodPost, "/containers/"+name+"/stop?t=0", nil, nil)
}

func (a *api) remove(ctx context.Context, name string) error {
	return a.call(ctx, http.MethodDelete, "/containers/"+name, nil, nil)
}

func (a *api) removeNetwork(ctx context.Context) error {
	return a.call(ctx, http.MethodDelete, "/networks/"+project+"_default", nil, nil)
}

// exec runs a command in a container and gives its exit code.
func (a *api) exec(ctx context.Context, name string, command []string) (int, error) {
	var made struct{ ID string }
	err := a.call(ctx, http.MethodPost, "/containers/"+name+"/exec", object{"Cmd": command, "AttachStdout": true, "AttachStderr": true}, &made)
	if err != nil {
		return 0, err
	}
	if err := a.call(ctx, http.MethodPost, "/exec/"+made.ID+"/start", object{"Detach": false}, nil); err != nil {
		return 0, err
	}
	var ended struct{ ExitCode int }
	err = a.call(ctx, http.MethodGet, "/exec/"+made.ID+"/json", nil, &ended)
	return ended.ExitCode, err
}

// containers are the names of the project's containers.
func (a *api) containers(ctx context.Context) ([]string, error) {
	var list []struct{ Names []string }
	if err := a.call(ctx, http.MethodGet, filtered("/containers/json"), nil, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, c := range list {
		names = append(names, strings.TrimPrefix(c.Names[0], "/"))
	}
	return names, nil
}

// each does something with each name, so many at a time.
func each(names []string, atATime int, do func(name string) error) error {
	var all sync.WaitGroup
	slots := make(chan struct{}, atATime)
	errs := make(chan error, len(names))
	for _, name := range names {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs <- do(name)
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// removeProject removes all that a case has left.
func (a *api) removeProject(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	names, err := a.containers(ctx)
	if err != nil {
		return err
	}
	err = each(names, 4, func(name string) error {
		return a.call(ctx, http.MethodDelete, "/containers/"+name+"?force=1&v=1", nil, nil)
	})
	if err != nil {
		return err
	}
	var networks []struct{ ID string }
	if err := a.call(ctx, http.MethodGet, filtered("/networks"), nil, &networks); err != nil {
		return err
	}
	for _, n := range networks {
		if err := a.call(ctx, http.MethodDelete, "/networks/"+n.ID, nil, nil); err != nil {
			return fmt.Errorf("clean up project %s: %w", name, err)
		}
	}
	var volumes struct{ Volumes []struct{ Name string } }
	if err := a.call(ctx, http.MethodGet, filtered("/volumes"), nil, &volumes); err != nil {
		return err
	}
	for _, v := range volumes.Volumes {
		if err := a.call(ctx, http.MethodDelete, "/volumes/"+v.Name, nil, nil); err != nil {
			return fmt.Errorf("clean up project %s: %w", name, err)
		}
	}
	return nil
}
