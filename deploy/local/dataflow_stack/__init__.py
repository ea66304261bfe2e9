"""The whole system on one machine: `dataflow up` supervises Redis, Postgres, the services and a simulated fleet."""
