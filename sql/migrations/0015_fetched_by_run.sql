-- What a run fetched stays in its books, when later runs ask for the same windows again.
ALTER TABLE headgate.run ADD COLUMN fetched jsonb;  -- as sql/queries/fetch_keep.sql sums it up
