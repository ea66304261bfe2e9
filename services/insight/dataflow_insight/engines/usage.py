"""What an answer takes: counted by whoever spends it, told in `finished`."""

from dataclasses import dataclass

from dataflow.insight.v1 import ask_service_pb2


@dataclass(slots=True)
class Usage:
    """Counts that only grow while an answer is made, over all engines that worked on it.

    Attributes:
        query_count: Queries that ran.
        query_cost: What Postgres expected them to cost, in its units.
        model_call_count: Calls to a model, repeated ones included.
        input_token_count: Tokens sent to it, as its provider counted them.
        output_token_count: Tokens that it wrote, thoughts included.
    """

    query_count: int = 0
    query_cost: float = 0.0
    model_call_count: int = 0
    input_token_count: int = 0
    output_token_count: int = 0

    def to_proto(self) -> ask_service_pb2.Usage:
        """Returns the counts as the asker sees them."""
        return ask_service_pb2.Usage(
            query_count=self.query_count,
            query_cost=self.query_cost,
            model_call_count=self.model_call_count,
            input_token_count=self.input_token_count,
            output_token_count=self.output_token_count,
        )
