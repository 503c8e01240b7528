"""What `bins.bench` measures: each module is a group, and its `benches()` names its functions, each giving rows."""
