package project

import "context"

// FolderName is the name that a project in the current folder goes by where there is
// no file to say another: for commands that find a project by its labels.
func FolderName(ctx context.Context, o Options) (string, error) {
	where, _ := locate(ctx, o) // what it has not found is what this is for
	name, _, _, err := where.named(nil)
	return name, err
}
