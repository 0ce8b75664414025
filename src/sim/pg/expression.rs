//! Bound expressions, evaluated for a row.

use pgwire::api::Type;
use sqlparser::ast::BinaryOperator;

use super::catalog::Function;
use super::seen::Seen;
use super::value::{SqlError, Value};

/// A bound expression.
#[derive(Debug, Clone)]
pub enum Expression {
    /// A constant.
    Constant(Value),
    /// The column of that position.
    Column(usize),
    /// The parameter of that position, from 0.
    Parameter(usize),
    /// A function's result.
    Call(&'static Function, Vec<Expression>),
    /// An aggregate over the rows of the group that its filter lets through.
    Aggregate(Aggregate, Option<Box<Expression>>, Option<Box<Expression>>),
    /// Two operands.
    Binary(Box<Expression>, BinaryOperator, Box<Expression>),
    /// Negation of a condition.
    Not(Box<Expression>),
    /// Negation of a number.
    Minus(Box<Expression>),
    /// Whether it is NULL.
    IsNull(Box<Expression>),
    /// Whether it is one of these.
    In(Box<Expression>, Vec<Expression>),
    /// Whether it equals an element of a list.
    Any(Box<Expression>, Box<Expression>),
    /// Whether it matches a pattern, with or without regard to case.
    Like(Box<Expression>, Box<Expression>, bool),
    /// Converted to a type.
    Cast(Box<Expression>, Type),
    /// The first of the results whose condition holds, or the last one.
    Case(Vec<(Expression, Expression)>, Option<Box<Expression>>),
}

/// An aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// How many.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// What an expression is evaluated with.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The world.
    pub seen: &'a Seen,
    /// The parameters.
    pub parameters: &'a [Value],
    /// The row.
    pub row: &'a [Value],
    /// The rows of the group, for aggregates.
    pub group: &'a [Vec<Value>],
}

impl Expression {
    /// Whether there is an aggregate in it.
    pub fn aggregates(&self) -> bool {
        match self {
            Self::Aggregate(..) => true,
            Self::Constant(_) | Self::Column(_) | Self::Parameter(_) => false,
            Self::Call(_, inner) => inner.iter().any(Self::aggregates),
            Self::Binary(one, _, two) | Self::Any(one, two) | Self::Like(one, two, _) => {
                one.aggregates() || two.aggregates()
            }
            Self::Not(inner) | Self::Minus(inner) | Self::IsNull(inner) | Self::Cast(inner, _) => inner.aggregates(),
            Self::In(one, many) => one.aggregates() || many.iter().any(Self::aggregates),
            Self::Case(cases, otherwise) => {
                cases.iter().any(|(condition, result)| condition.aggregates() || result.aggregates())
                    || otherwise.as_ref().is_some_and(|it| it.aggregates())
            }
        }
    }

    /// Its value.
    pub fn value(&self, given: Given<'_>) -> Result<Value, SqlError> {
        let value = match self {
            Self::Constant(value) => value.clone(),
            Self::Column(position) => given.row.get(*position).cloned().unwrap_or(Value::Null),
            Self::Parameter(position) => given.parameters.get(*position).cloned().unwrap_or(Value::Null),
            Self::Call(function, arguments) => {
                let values: Vec<_> = arguments.iter().map(|it| it.value(given)).collect::<Result<_, _>>()?;
                (function.call)(given.seen, &values)?
            }
            Self::Aggregate(aggregate, argument, filter) => {
                let mut values = Vec::new();
                for row in given.group {
                    let given = Given { row, ..given };
                    if match filter {
                        Some(filter) => filter.value(given)?.holds(),
                        None => true,
                    } {
                        values.push(match argument {
                            Some(it) => it.value(given)?,
                            None => Value::Bool(true),
                        });
                    }
                }
                aggregate.of(values)
            }
            Self::Binary(one, op, two) => operate(&one.value(given)?, op, &two.value(given)?)?,
            Self::Not(inner) => match inner.value(given)? {
                Value::Bool(is) => Value::Bool(!is),
                _ => Value::Null,
            },
            Self::Minus(inner) => match inner.value(given)? {
                Value::Int(number) => Value::Int(-number),
                Value::Float(number) => Value::Float(-number),
                _ => Value::Null,
            },
            Self::IsNull(inner) => Value::Bool(inner.value(given)? == Value::Null),
            Self::In(one, many) => {
                let one = one.value(given)?;
                let mut found = false;
                for each in many {
                    found |= one.compare(&each.value(given)?) == Some(std::cmp::Ordering::Equal);
                }
                Value::Bool(found)
            }
            Self::Any(one, list) => match (one.value(given)?.text(), list.value(given)?) {
                (Some(one), Value::List(many)) => Value::Bool(many.contains(&one)),
                _ => Value::Null,
            },
            Self::Like(one, pattern, any_case) => match (one.value(given)?.text(), pattern.value(given)?.text()) {
                (Some(one), Some(pattern)) if *any_case => {
                    Value::Bool(like(&one.to_lowercase(), &pattern.to_lowercase()))
                }
                (Some(one), Some(pattern)) => Value::Bool(like(&one, &pattern)),
                _ => Value::Null,
            },
            Self::Cast(inner, kind) => inner.value(given)?.cast(kind)?,
            Self::Case(cases, otherwise) => {
                for (condition, result) in cases {
                    if condition.value(given)?.holds() {
                        return result.value(given);
                    }
                }
                match otherwise {
                    Some(result) => result.value(given)?,
                    None => Value::Null,
                }
            }
        };
        Ok(value)
    }
}

impl Aggregate {
    /// The aggregate of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "count" => Some(Self::Count),
            "sum" => Some(Self::Sum),
            "avg" => Some(Self::Avg),
            "min" => Some(Self::Min),
            "max" => Some(Self::Max),
            _ => None,
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "counts of rows are small")]
    fn of(self, values: Vec<Value>) -> Value {
        let known: Vec<_> = values.into_iter().filter(|value| *value != Value::Null).collect();
        let sum = || known.iter().filter_map(Value::number).sum::<f64>();
        let by = |one: &Value, two: &Value| one.compare(two).unwrap_or(std::cmp::Ordering::Equal);
        match self {
            Self::Count => Value::Int(known.len() as i64),
            _ if known.is_empty() => Value::Null,
            Self::Sum if known.iter().all(|value| matches!(value, Value::Int(_))) => {
                Value::Int(known.iter().map(|value| if let Value::Int(number) = value { *number } else { 0 }).sum())
            }
            Self::Sum => Value::Float(sum()),
            Self::Avg => Value::Float(sum() / known.len() as f64),
            Self::Min => known.into_iter().min_by(by).unwrap_or(Value::Null),
            Self::Max => known.into_iter().max_by(by).unwrap_or(Value::Null),
        }
    }
}

/// Two operands, with SQL's three-valued logic.
fn operate(one: &Value, op: &BinaryOperator, two: &Value) -> Result<Value, SqlError> {
    use BinaryOperator as Op;
    match op {
        Op::And if one.holds() && two.holds() => return Ok(Value::Bool(true)),
        Op::And if *one == Value::Bool(false) || *two == Value::Bool(false) => return Ok(Value::Bool(false)),
        Op::Or if one.holds() || two.holds() => return Ok(Value::Bool(true)),
        Op::Or if *one == Value::Bool(false) && *two == Value::Bool(false) => return Ok(Value::Bool(false)),
        Op::And | Op::Or => return Ok(Value::Null),
        Op::StringConcat => {
            let both = one.text().zip(two.text());
            return Ok(both.map_or(Value::Null, |(one, two)| Value::Text(one + &two)));
        }
        _ => {}
    }
    if let Some(compared) = compare(op) {
        return Ok(one.compare(two).map_or(Value::Null, |order| Value::Bool(compared(order))));
    }
    let (Some(left), Some(right)) = (one.number(), two.number()) else { return Ok(Value::Null) };
    if right == 0.0 && matches!(op, Op::Divide | Op::Modulo) {
        return Err(SqlError::new("22012", "division by zero"));
    }
    let number = match op {
        Op::Plus => left + right,
        Op::Minus => left - right,
        Op::Multiply => left * right,
        Op::Divide => left / right,
        Op::Modulo => left % right,
        _ => return Err(SqlError::beyond(op)),
    };
    let whole = matches!((one, two), (Value::Int(_), Value::Int(_)));
    #[allow(clippy::cast_possible_truncation, reason = "integer division truncates")]
    Ok(if whole { Value::Int(number.trunc() as i64) } else { Value::Float(number) })
}

fn compare(op: &BinaryOperator) -> Option<fn(std::cmp::Ordering) -> bool> {
    use BinaryOperator as Op;
    Some(match op {
        Op::Eq => |order| order.is_eq(),
        Op::NotEq => |order| order.is_ne(),
        Op::Lt => |order| order.is_lt(),
        Op::LtEq => |order| order.is_le(),
        Op::Gt => |order| order.is_gt(),
        Op::GtEq => |order| order.is_ge(),
        _ => return None,
    })
}

/// Whether a text matches a LIKE pattern.
fn like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(&text[at..], rest.as_str()))
        }
        Some(wanted) => {
            let mut left = text.chars();
            left.next().is_some_and(|c| (wanted == '_' || c == wanted) && like(left.as_str(), rest.as_str()))
        }
    }
}
