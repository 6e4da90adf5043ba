-- describe_rows --
-- The columns of a table or query of somebody else, without a row. It may end with a comment.
SELECT * FROM ({rows}
) AS described LIMIT 0;

-- typed_rows --
-- Its rows, with each column of a type that Arrow has, or as text.
SELECT {columns} FROM ({rows}
) AS source;
