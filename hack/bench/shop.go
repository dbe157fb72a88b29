package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// shop is examples/shop from nothing to ready: PostgreSQL sets its folder up, a job migrates, the web app waits for both.
// Its images are there. It is the last case, since it leaves its files in the folder.
func shop() benchCase {
	return benchCase{
		name: "shop", n: 5, muster: words("up -d --wait"), compose: words("up -d --wait"),
		what:    "none: it takes what the servers take",
		prepare: func(ctx context.Context, b *bench, _ tool) error { return b.layShop(ctx) },
	}
}

// layShop copies the example and builds its image, once. Its own program is compiled here, as hack/demo does.
func (b *bench) layShop(ctx context.Context) error {
	if b.environ != nil {
		return nil
	}
	b.environ = []string{"WEB_TARGET=prebuilt", "WEB_IMAGE=" + shopImage(), "SHOP_PORT=0"}
	if err := os.Remove(b.file()); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.CopyFS(b.folder, os.DirFS("examples/shop")); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(b.folder, "web/dist/web"), ".")
	build.Dir, build.Env = filepath.Join(b.folder, "web"), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the shop's program: %w: %s", err, out)
	}
	_, err := b.command(ctx, b.muster, words("build"))
	return err
}

func shopImage() string { return project + "-web" }

// removeShopImage leaves nothing of the case behind. There is mostly no such image, which is no error.
func (b *bench) removeShopImage(ctx context.Context) {
	if b.environ != nil {
		_ = b.engine.call(ctx, http.MethodDelete, "/images/"+shopImage(), nil, nil)
	}
}
