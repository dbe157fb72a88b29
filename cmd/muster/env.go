package main

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

func (p *program) envCommand() *cobra.Command {
	format := "shell"
	cmd := &cobra.Command{
		Use: "env [SERVICE...]", GroupID: groupLook,
		Short: "Print where the services are published, as variables",
		Long: `Print where the services of the stack are published, as variables.

For port 8080 of service web there are WEB_8080_HOST, WEB_8080_PORT and WEB_8080_URL. Of several containers of a
service it is the first one that runs.`,
		Example: `  muster env                   # to be read by a shell: eval "$(muster env)"
  muster env --format dotenv
  muster env --instance pr-12 db`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			if err := checkFormat(format, "shell", "dotenv", "json"); err != nil {
				return err
			}
			on, seen, err := p.observed(cmd.Context(), services)
			if err != nil {
				return err
			}
			defer on.Close()
			return p.printEnv(envOf(runner.HostName(on.Host()), seen, services), format)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&format, "format", "shell", "`FORMAT`: shell, dotenv, or json")
	})
	return cmd
}

// variable is one of those that env prints.
type variable struct{ key, value string }

// envOf are the variables for the ports of the containers that run on a host.
func envOf(host string, seen observed, services []string) []variable {
	out := []variable{{"COMPOSE_PROJECT_NAME", seen.name}}
	if seen.files != nil && seen.files.Instance != "" {
		out = append(out, variable{"MUSTER_INSTANCE", seen.files.Instance})
	}
	for _, name := range seen.services() {
		if len(services) > 0 && !slices.Contains(services, name) {
			continue
		}
		c, err := pick(seen.have, name, 0, true)
		if err != nil {
			continue // nothing runs, so it is nowhere
		}
		told := map[string]bool{}
		for _, port := range publishedAt(c.Ports, 0, "") {
			prefix := variableName(name) + "_" + strconv.Itoa(port.Target)
			if told[prefix] {
				continue // such as for IPv6 once more
			}
			told[prefix] = true
			out = append(out, variable{prefix + "_HOST", runner.ReachedAt(host, port.Host)}, variable{prefix + "_PORT", strconv.Itoa(port.Published)})
			if url := urlOf(host, port, seen.appProtocol(name, port.Target)); url != "" {
				out = append(out, variable{prefix + "_URL", url})
			}
		}
	}
	return out
}

var noVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Z0-9]+`) })

// variableName makes a service's name the beginning of a variable's.
func variableName(service string) string {
	name := noVariable().ReplaceAllString(strings.ToUpper(service), "_")
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

// urlOf is the URL of a port that is published on a host; empty for one that is not TCP.
func urlOf(host string, port portLine, appProtocol string) string {
	if port.Protocol != "tcp" && port.Protocol != "" {
		return ""
	}
	return project.Scheme(port.Target, appProtocol) + "://" + net.JoinHostPort(runner.ReachedAt(host, port.Host), strconv.Itoa(port.Published))
}

// appProtocol is what the files say that a port of a service speaks.
func (t target) appProtocol(service string, target int) string {
	if t.files == nil {
		return ""
	}
	for _, port := range t.files.Services[service].Ports {
		if int(port.Target) == target {
			return port.AppProtocol
		}
	}
	return ""
}

func (p *program) printEnv(all []variable, format string) error {
	if format == "json" {
		object := map[string]string{}
		for _, v := range all {
			object[v.key] = v.value
		}
		return encodeLine(p.out, object)
	}
	for _, v := range all {
		line := v.key + "=" + v.value
		if format == "shell" {
			line = "export " + v.key + "='" + strings.ReplaceAll(v.value, "'", `'\''`) + "'"
		}
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) openCommand() *cobra.Command {
	var o struct{ print bool }
	cmd := &cobra.Command{
		Use: "open SERVICE [PRIVATE_PORT]", GroupID: groupLook,
		Short: "Open a published port of a service in the browser",
		Example: `  muster open web
  muster open web 8080
  muster open --print web      # only say the URL`,
		Args:              needs(1, "a service"),
		ValidArgsFunction: p.firstServiceArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return &usageError{problem: "open wants a service and one port", hint: "Usage: " + useLine(cmd)}
			}
			url, err := p.serviceURL(cmd.Context(), args[0], args[1:])
			if err != nil {
				return err
			}
			if o.print {
				_, err := fmt.Fprintln(p.out, url)
				return err
			}
			return p.browse(url)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.print, "print", false, "Print the URL and open nothing")
	})
	return cmd
}

// serviceURL is where a service answers: at the port that is asked for, else at the first one that speaks HTTP, else at the first.
func (p *program) serviceURL(ctx context.Context, service string, private []string) (string, error) {
	target := 0
	if len(private) > 0 {
		var err error
		if target, err = strconv.Atoi(private[0]); err != nil {
			return "", &usageError{problem: fmt.Sprintf("%q is not a port", private[0])}
		}
	}
	on, c, err := p.oneContainer(ctx, service, 0, true)
	if err != nil {
		return "", err
	}
	defer on.Close()
	var first string
	for _, port := range publishedAt(c.Ports, target, "tcp") {
		url := urlOf(runner.HostName(on.Host()), port, c.project.appProtocol(service, port.Target))
		if strings.HasPrefix(url, "http") {
			return url, nil
		}
		if first == "" {
			first = url
		}
	}
	if first == "" {
		return "", &usageError{problem: fmt.Sprintf("%s publishes no such port: %s", c.Name, orNothing(portsText(c.Ports))),
			hint: "add it to `ports:` of " + service + " in the file"}
	}
	return first, nil
}
