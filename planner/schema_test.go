package planner

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// checkSchema holds the JSON form against its published description.
func checkSchema(t *testing.T, plan Plan) {
	t.Helper()
	text, err := os.ReadFile("plan.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("plan.schema.json: %v", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("plan.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("plan.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("the plan's JSON form is not what plan.schema.json says: %v\n%s", err, out)
	}
}
