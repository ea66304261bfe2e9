"""The MCP server behind `dataflow mcp`; imported by that command alone."""
