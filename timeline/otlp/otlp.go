// Package otlp sends a timeline as OpenTelemetry spans, to where the OTEL_EXPORTER_OTLP_* variables say.
//
// It uses the SDK, which the program has inside for its builds anyway.
package otlp

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/timeline"
)

// sendTime bounds the sending: a collector that does not answer must not hold a start up.
const sendTime = 5 * time.Second

// Send sends the spans of a run: one for the run, below it one for each service from its first step to its last,
// and below those the steps. parent is a W3C traceparent that the run belongs to; empty for none.
func Send(ctx context.Context, r timeline.Record, version, parent string) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	exporter, err := otlptrace.New(ctx, otlptracehttp.NewClient(otlptracehttp.WithRetry(otlptracehttp.RetryConfig{})))
	if err != nil {
		return fmt.Errorf("send the timeline: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "muster"), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return fmt.Errorf("send the timeline: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithSyncer(&collected{exporter: exporter}))
	below := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
	emit(below, provider.Tracer("muster"), r)
	if err := provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the timeline: %w", err)
	}
	return nil
}

func emit(ctx context.Context, tracer trace.Tracer, r timeline.Record) {
	ctx, root := tracer.Start(ctx, "muster "+r.Command, trace.WithTimestamp(r.Began), trace.WithAttributes(
		attribute.String("muster.project", r.Project), attribute.String("muster.command", r.Command)))
	critical := map[string]bool{}
	for _, s := range r.Critical() {
		critical[s.ID] = true
	}
	for _, service := range services(r) {
		below := ctx
		end := func() {}
		if service.name != "" {
			var span trace.Span
			below, span = tracer.Start(ctx, service.name, trace.WithTimestamp(service.began),
				trace.WithAttributes(attribute.String("muster.service", service.name)))
			end = func() { span.End(trace.WithTimestamp(service.ended)) }
		}
		for _, s := range service.spans {
			step(below, tracer, s, critical[s.ID])
		}
		end()
	}
	if r.Failed {
		root.SetStatus(codes.Error, "")
	}
	root.End(trace.WithTimestamp(r.Ended))
}

func step(ctx context.Context, tracer trace.Tracer, s timeline.Span, critical bool) {
	attributes := []attribute.KeyValue{
		attribute.String("muster.step.kind", string(s.Kind)), attribute.String("muster.resource", s.Name), attribute.Bool("muster.critical", critical),
	}
	if s.Service != "" {
		attributes = append(attributes, attribute.String("muster.service", s.Service))
	}
	if s.Tries > 0 {
		attributes = append(attributes, attribute.Int("muster.checks", s.Tries))
	}
	_, span := tracer.Start(ctx, s.ID, trace.WithTimestamp(s.Began), trace.WithAttributes(attributes...))
	if s.Failed {
		span.SetStatus(codes.Error, s.LastSaid)
	}
	span.End(trace.WithTimestamp(s.Ended))
}

// service is all that was done for one service.
type service struct {
	name         string
	began, ended time.Time
	spans        []timeline.Span
}

// services are in the order of their first step; what belongs to none is one without a name.
func services(r timeline.Record) []*service {
	var out []*service
	at := map[string]*service{}
	for _, s := range r.Spans {
		of := at[s.Service]
		if of == nil {
			of = &service{name: s.Service, began: s.Began, ended: s.Ended}
			at[s.Service] = of
			out = append(out, of)
		}
		if s.Began.Before(of.began) {
			of.began = s.Began
		}
		if s.Ended.After(of.ended) {
			of.ended = s.Ended
		}
		of.spans = append(of.spans, s)
	}
	return out
}

// collected sends all spans at once, when the provider is shut down.
type collected struct {
	exporter sdktrace.SpanExporter
	spans    []sdktrace.ReadOnlySpan
}

// ExportSpans keeps the spans.
func (c *collected) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	c.spans = append(c.spans, spans...)
	return nil
}

// Shutdown sends them.
func (c *collected) Shutdown(ctx context.Context) error {
	if err := c.exporter.ExportSpans(ctx, c.spans); err != nil {
		return err
	}
	return c.exporter.Shutdown(ctx)
}
