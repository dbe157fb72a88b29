package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// Order is one row of the table orders.
type Order struct {
	ID   int64     `json:"id"`
	Item string    `json:"item"`
	At   time.Time `json:"at"`
}

// Book is what the shop knows.
type Book struct {
	Latest []Order `json:"latest"` // newest first
	Total  int64   `json:"total"`  // rows in PostgreSQL
	Taken  int64   `json:"taken"`  // as counted in Redis
}

// counter is the key in Redis.
const counter = "orders:taken"

// store keeps orders: the rows in PostgreSQL, a count of them in Redis.
type store struct {
	db    *pgxpool.Pool
	cache *redis.Client
}

// open prepares both connections. Neither is made yet: whether they work is
// for the health check to say.
func open(ctx context.Context) (*store, error) {
	config, err := pgxpool.ParseConfig(setting("DATABASE_URL", "postgres://shop@db/shop?sslmode=disable"))
	if err != nil {
		return nil, err
	}
	if file := os.Getenv("DATABASE_PASSWORD_FILE"); file != "" {
		password, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("DATABASE_PASSWORD_FILE: %w", err)
		}
		config.ConnConfig.Password = strings.TrimSpace(string(password))
	}
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	cache := redis.NewClient(&redis.Options{Addr: setting("CACHE_ADDRESS", "cache:6379")})
	return &store{db: db, cache: cache}, nil
}

// Close ends all connections.
func (s *store) Close() {
	s.db.Close()
	_ = s.cache.Close()
}

// Check says what does not answer.
func (s *store) Check(ctx context.Context) error {
	if err := s.db.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := s.cache.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// Take writes an order and counts it.
func (s *store) Take(ctx context.Context, item string) (Order, error) {
	order := Order{Item: item}
	err := s.db.QueryRow(ctx, "insert into orders (item) values ($1) returning id, at", item).Scan(&order.ID, &order.At)
	if err != nil {
		return Order{}, fmt.Errorf("database: %w", err)
	}
	if err := s.cache.Incr(ctx, counter).Err(); err != nil {
		return Order{}, fmt.Errorf("cache: %w", err)
	}
	return order, nil
}

// Book reads the ten newest orders and both counts.
func (s *store) Book(ctx context.Context) (Book, error) {
	var book Book
	if err := s.db.QueryRow(ctx, "select count(*) from orders").Scan(&book.Total); err != nil {
		return Book{}, fmt.Errorf("database: %w", err)
	}
	rows, err := s.db.Query(ctx, "select id, item, at from orders order by id desc limit 10")
	if err != nil {
		return Book{}, fmt.Errorf("database: %w", err)
	}
	book.Latest, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Order])
	if err != nil {
		return Book{}, fmt.Errorf("database: %w", err)
	}
	book.Taken, err = s.cache.Get(ctx, counter).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return Book{}, fmt.Errorf("cache: %w", err)
	}
	return book, nil
}

//go:embed migrations
var migrations embed.FS

// migrate runs each file of migrations that the database has not seen, in the
// order of their names, all in one transaction.
func (s *store) migrate(ctx context.Context, out io.Writer) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		// Two migrations at once would both find the same file new.
		const setUp = "select pg_advisory_xact_lock(4711); create table if not exists migrations (name text primary key)"
		if _, err := tx.Exec(ctx, setUp); err != nil {
			return err
		}
		for _, file := range files {
			done, err := tx.Exec(ctx, "insert into migrations values ($1) on conflict do nothing", file)
			if err != nil {
				return err
			}
			if done.RowsAffected() == 0 {
				continue
			}
			statements, err := migrations.ReadFile(file)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, string(statements)); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if _, err := fmt.Fprintln(out, "applied", file); err != nil {
				return err
			}
		}
		return nil
	})
}
